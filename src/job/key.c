/* key.c - the table of all keys of a job. SPDX-License-Identifier: MIT */
#include "job/key.h"
#include "base/text.h"

#include <string.h>

#define FIELD(name) offsetof(struct job, name)

static const char *const precisions[] = {"auto", "f32", "f16", NULL};
static const char *const engines[] = {"auto", "own", "clblast", NULL};
static const char *const kernels[] = {"auto", "generic", NULL};
static const char *const products[] = {"highest", "high", NULL};
static const char *const streams[] = {"torch", "numpy", "philox", NULL};
static const char *const generators[] = {"image", "batch", NULL};
static const char *const manners[] = {"none", "diffusers", NULL};
static const char *const bars[] = {"auto", "plain", "json", "none", NULL};

/* In the order of --help. */
const struct job_key job_keys[] = {
    {"model", .letter = 'm', .kind = KEY_TEXT, .is_path = true, .recorded = true,
        .configured = true, .standard = "the demo model", .argument = "MODEL",
        .field = FIELD(model),
        .help = "folder in diffusers' layout, CompVis .ckpt with its .yaml, a name in model_path, "
                "or hf:ORG/NAME[@REV] in the local hub cache; default: the demo model"},
    {"model_path", .kind = KEY_TEXTS, .is_path = true, .configured = true,
        .standard = "the user's and the program's", .argument = "FOLDER",
        .field = FIELD(model_path),
        .help = "where a model that is a bare name is looked for; may be repeated, the first that "
                "has it is taken"},
    {"prompt", .letter = 'p', .kind = KEY_TEXTS, .recorded = true, .argument = "TEXT",
        .field = FIELD(prompts),
        .help = "text to image: what to show; may be repeated (in a file: a list)"},
    {"prompt_file", .kind = KEY_TEXT, .is_path = true, .argument = "FILE",
        .field = FIELD(prompt_file),
        .help = "a prompt in each line, with --options behind it, or a JSON object; # begins a "
                "comment; - is standard input"},
    {"class", .kind = KEY_TEXTS, .listed = true, .recorded = true, .argument = "N|NAME",
        .field = FIELD(classes),
        .help = "class-conditional models: a class, by its number or its name in class_labels; "
                "[1,2] or repeated: several"},
    {"class_labels", .kind = KEY_TEXT, .is_path = true, .recorded = true, .argument = "FILE",
        .field = FIELD(class_labels),
        .help = "text file with the names of the classes, line by line from class 0 on"},
    {"image", .letter = 'i', .kind = KEY_TEXTS, .is_path = true, .recorded = true,
        .argument = "FILE", .field = FIELD(images),
        .help =
            ".png, .jpg, or .npy [N,3,H,W] in -1..1: what super-resolution enlarges, inpainting "
            "fills, and others start from at a strength below 1; may be repeated"},
    {"mask", .kind = KEY_TEXTS, .is_path = true, .recorded = true, .argument = "FILE",
        .field = FIELD(masks),
        .help = "inpainting: .png of the image's size, white where it is to be filled"},
    {"label_map", .kind = KEY_TEXTS, .is_path = true, .recorded = true, .argument = "FILE",
        .field = FIELD(label_maps),
        .help = "semantic synthesis: 8-bit .png whose pixels are label numbers"},
    {"layout", .kind = KEY_LAYOUT, .is_path = true, .recorded = true, .argument = "BOXES",
        .field = FIELD(layout),
        .help = "layout to image: [{class: 3, x: 0.1, y: 0.2, w: 0.5, h: 0.4}, ...] in parts of "
                "the image, or a YAML file with such a list"},
    {"height", .kind = KEY_INT, .recommended = true, .recorded = true, .lowest = 4, .highest = 8192,
        .multiple = 4, .argument = "PIXELS", .field = FIELD(height),
        .help = "multiple of 4 or 8, as the model wants; default: what it was trained for"},
    {"width", .kind = KEY_INT, .recommended = true, .recorded = true, .lowest = 4, .highest = 8192,
        .multiple = 4, .argument = "PIXELS", .field = FIELD(width),
        .help = "multiple of 4 or 8, as the model wants; default: what it was trained for"},
    {"num_inference_steps", .alias = "steps", .kind = KEY_INT, .configured = true,
        .standard = "the model's", .recommended = true, .recorded = true, .lowest = 1,
        .highest = 1000, .argument = "N", .field = FIELD(num_inference_steps),
        .help = "denoising steps, 1 to 1000; default 50, super-resolution 100"},
    {"guidance_scale", .kind = KEY_REAL, .configured = true, .standard = "the model's",
        .recommended = true, .recorded = true, .lowest = 0, .highest = 100, .argument = "X",
        .field = FIELD(guidance_scale),
        .help = "how strongly the prompt pulls, 0 to 100; default 1: no guidance"},
    {"eta", .kind = KEY_REAL, .recommended = true, .recorded = true, .lowest = 0, .highest = 1,
        .argument = "X", .field = FIELD(eta),
        .help = "share of fresh noise in each step of DDIM, 0 to 1; default 0"},
    {"seed", .kind = KEY_SEEDS, .listed = true, .recorded = true, .argument = "N",
        .help = "of the start noise: image i gets N + i; [N,N,...] one per image; -1: a random one "
                "(default)"},
    {"batch_size", .kind = KEY_INT, .recorded = true, .lowest = 1, .highest = 1024, .argument = "N",
        .field = FIELD(batch_size), .help = "images per prompt, class, ...; default 1"},
    {"latents", .kind = KEY_TEXT, .is_path = true, .recorded = true, .argument = "FILE",
        .field = FIELD(latents),
        .help = ".npy or .safetensors, [N,C,height/8,width/8]: start from exactly this noise, of "
                "deviation 1; with a strength below 1, from this clean image"},
    {"strength", .kind = KEY_REAL, .recorded = true, .lowest = 0, .highest = 1, .argument = "X",
        .field = FIELD(strength),
        .help = "share of the steps that is done, above 0 to 1: below 1 they start in the middle, "
                "from clean latents with noise; default 1"},
    {"rng", .kind = KEY_CHOICE, .configured = true, .standard = "torch", .recorded = true,
        .choices = streams, .argument = "torch|numpy|philox", .field = FIELD(rng),
        .help = "whose random numbers: torch's CPU generator (default), numpy's RandomState, "
                "torch's CUDA generator (to 1e-6)"},
    {"generator", .kind = KEY_CHOICE, .recorded = true, .choices = generators,
        .argument = "image|batch", .field = FIELD(generator),
        .help = "a generator for each image, from its own seed (default), or one that draws the "
                "noise of all images as one tensor"},
    {"compat", .kind = KEY_CHOICE, .recorded = true, .choices = manners,
        .argument = "none|diffusers", .field = FIELD(compat),
        .help = "diffusers: keep the known defects of its pipelines and schedulers, to compare; "
                "default none"},
    {"scheduler", .kind = KEY_SCHEDULER, .configured = true, .standard = "the model's",
        .recommended = true, .recorded = true, .argument = "NAME[,K=V]...",
        .help =
            "sampler and its options (clatent schedulers lists them); default: the model's own"},
    {"sweep", .kind = KEY_SWEEP, .argument = "KEY=V,V,...", .field = FIELD(sweep),
        .help = "an image for each of these values, 1-9 and 1-9(+2) too; repeated: for each "
                "combination"},
    {"output", .letter = 'o', .kind = KEY_TEXT, .is_path = true, .argument = "PATTERN",
        .field = FIELD(output),
        .help = "file name with {index} {index:05} {seed} {model} {steps} {prompt:40} "
                "{date:%Y%m%d}; .png, .npy (float32 [N,H,W,3] in 0..1) or .safetensors (latents); "
                "- is standard output; default clatent-{index:05}-{seed}.png"},
    {"sheet", .kind = KEY_TEXT, .is_path = true, .argument = "FILE", .field = FIELD(sheet),
        .help = ".png that shows all images of the job together"},
    {"overwrite", .kind = KEY_FLAG, .configured = true, .standard = "false",
        .field = FIELD(overwrite),
        .help = "replace existing files instead of taking the next free {index}"},
    {"resume", .kind = KEY_FLAG, .whole = true, .field = FIELD(resume),
        .help = "keep a list of finished images beside them, and skip those that are on it"},
    {"metadata", .kind = KEY_FLAG, .configured = true, .standard = "true", .field = FIELD(metadata),
        .help =
            "write prompt and settings into .png files (default; --no-metadata leaves them out)"},
    {"ai_mark", .kind = KEY_FLAG, .configured = true, .standard = "true", .field = FIELD(ai_mark),
        .help = "mark .png files as made by a model, for machines to read (default)"},
    {"device", .kind = KEY_TEXTS, .listed = true, .configured = true, .standard = "auto",
        .recorded = true, .argument = "N|PCI|NAME", .field = FIELD(devices),
        .help = "an OpenCL device by its number, pci: and its bus address, or part of its name; "
                "[0,1] or repeated: several share the images; all; default auto"},
    {"device_timeout", .kind = KEY_INT, .lowest = 0, .highest = 86400, .argument = "SECONDS",
        .field = FIELD(device_timeout),
        .help = "give a device up that has not answered for so long, 0: never; default 120, CPUs "
                "never"},
    {"precision", .kind = KEY_CHOICE, .configured = true, .standard = "auto", .recorded = true,
        .choices = precisions, .argument = "auto|f32|f16", .field = FIELD(precision),
        .help = "of text encoder and UNet: f16 keeps their weights in memory with 11 bits and half "
                "the space; auto (default): f16 on GPUs, f32 on CPUs"},
    {"gemm", .kind = KEY_CHOICE, .configured = true, .standard = "auto", .recorded = true,
        .choices = engines, .argument = "auto|own|clblast", .field = FIELD(gemm),
        .help = "which kernels multiply matrices; default auto"},
    {"kernels", .kind = KEY_CHOICE, .configured = true, .standard = "auto", .recorded = true,
        .choices = kernels, .argument = "auto|generic", .field = FIELD(kernels),
        .help = "generic: only the plain kernels that run anywhere, slower; the way out where a "
                "driver is wrong; default auto"},
    {"float32_matmul_precision", .kind = KEY_CHOICE, .configured = true, .standard = "highest",
        .recorded = true, .choices = products, .argument = "highest|high",
        .field = FIELD(float32_matmul_precision),
        .help = "high: factors of 16 bits where a matrix unit has them; default highest"},
    {"variant", .kind = KEY_TEXT, .configured = true, .standard = "none", .recorded = true,
        .argument = "NAME", .field = FIELD(variant),
        .help = "take the weight files of this variant, such as fp16"},
    {"trace", .kind = KEY_TEXT, .is_path = true, .argument = "FILE", .field = FIELD(trace),
        .help = ".safetensors that receives every stage, to compare with another program"},
    {"progress", .kind = KEY_CHOICE, .whole = true, .configured = true, .standard = "auto",
        .choices = bars, .argument = "auto|plain|json|none", .field = FIELD(progress),
        .help = "on standard error; auto: a bar on a terminal, else nothing; plain: a line now and "
                "then; "
                "json: a JSON object per event"},
    {"preview", .kind = KEY_INT, .configured = true, .standard = "0", .lowest = 0, .highest = 1000,
        .argument = "N", .field = FIELD(preview),
        .help = "show every N steps what the images will be, in colours that are roughly right: in "
                "preview_output, and on a terminal; 0: never (default)"},
    {"preview_output", .kind = KEY_TEXT, .is_path = true, .configured = true,
        .standard = "clatent-preview-{index:05}.png", .argument = "PATTERN",
        .field = FIELD(preview_output),
        .help = "the .png file of a preview, replaced by the next one; default "
                "clatent-preview-{index:05}.png"},
    {"quiet", .letter = 'q', .kind = KEY_FLAG, .whole = true, .configured = true,
        .standard = "false", .field = FIELD(quiet),
        .help = "no words on standard error but errors"},
    {"json", .kind = KEY_FLAG, .whole = true, .field = FIELD(json),
        .help = "one JSON object per finished image on standard output"},
    {"negative_prompt", .kind = KEY_LATER},
};
const size_t job_key_count = sizeof job_keys / sizeof *job_keys;

/* Equal, where '-' in `given` may stand for '_'. */
static bool same_name(const char *given, const char *name)
{
    for (; *given && *name; given++, name++)
        if (*given != *name && !(*given == '-' && *name == '_'))
            return false;
    return *given == *name;
}

int job_key_find(const char *name)
{
    for (size_t i = 0; i < job_key_count; i++)
        if (same_name(name, job_keys[i].name) ||
            (job_keys[i].alias && same_name(name, job_keys[i].alias)))
            return (int)i;
    return -1;
}

enum clat_status job_key_unknown(const char *name, const char *where)
{
    const char *names[2 * (sizeof job_keys / sizeof *job_keys) + 1];
    size_t count = 0;
    for (size_t i = 0; i < job_key_count; i++) {
        names[count++] = job_keys[i].name;
        if (job_keys[i].alias)
            names[count++] = job_keys[i].alias;
    }
    names[count] = NULL;
    const char *nearest = text_nearest(name, names);
    if (nearest)
        return status_set(
            CLAT_ERROR_USAGE, "%s: unknown key '%s', did you mean '%s'?", where, name, nearest);
    return status_set(CLAT_ERROR_USAGE, "%s: unknown key '%s'", where, name);
}
