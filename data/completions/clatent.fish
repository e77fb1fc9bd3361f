# clatent.fish - completion for fish. SPDX-License-Identifier: MIT
# Made by: clatent completion fish
function __clatent_schedulers
    command clatent schedulers 2>/dev/null |
        string match -r '^[a-z][a-z0-9_-]*(?=  *[0-9])'
end
function __clatent_verbs
    printf '%s\n' generate encode decode reconstruct inspect convert devices schedulers info config bench selftest tune completion help
end
complete -c clatent -f -n __fish_use_subcommand -a generate -d 'make images'
complete -c clatent -n '__fish_seen_subcommand_from generate' -l help
complete -c clatent -f -n __fish_use_subcommand -a encode -d 'a picture as latents'
complete -c clatent -n '__fish_seen_subcommand_from encode' -l help
complete -c clatent -f -n __fish_use_subcommand -a decode -d 'latents as pictures'
complete -c clatent -n '__fish_seen_subcommand_from decode' -l help
complete -c clatent -f -n __fish_use_subcommand -a reconstruct -d 'a picture to latents and back; prints the PSNR'
complete -c clatent -n '__fish_seen_subcommand_from reconstruct' -l help
complete -c clatent -f -n __fish_use_subcommand -a inspect -d 'what a model holds, what is missing, how much memory it needs'
complete -c clatent -n '__fish_seen_subcommand_from inspect' -l json
complete -c clatent -n '__fish_seen_subcommand_from inspect' -l help
complete -c clatent -f -n __fish_use_subcommand -a convert -d 'write any model as a folder of diffusers'
complete -c clatent -n '__fish_seen_subcommand_from convert' -l type -x -a 'f32 f16'
complete -c clatent -n '__fish_seen_subcommand_from convert' -l quiet
complete -c clatent -n '__fish_seen_subcommand_from convert' -l help
complete -c clatent -f -n __fish_use_subcommand -a devices -d 'OpenCL devices, and why each is or is not used'
complete -c clatent -n '__fish_seen_subcommand_from devices' -l json
complete -c clatent -n '__fish_seen_subcommand_from devices' -l help
complete -c clatent -f -n __fish_use_subcommand -a schedulers -d 'samplers and their options'
complete -c clatent -n '__fish_seen_subcommand_from schedulers' -l json
complete -c clatent -n '__fish_seen_subcommand_from schedulers' -l help
complete -c clatent -f -n '__fish_seen_subcommand_from schedulers' -a '(__clatent_schedulers)'
complete -c clatent -f -n __fish_use_subcommand -a info -d 'how an image was made'
complete -c clatent -n '__fish_seen_subcommand_from info' -l json
complete -c clatent -n '__fish_seen_subcommand_from info' -l as-args
complete -c clatent -n '__fish_seen_subcommand_from info' -l help
complete -c clatent -f -n __fish_use_subcommand -a config -d 'what configuration files and variables say'
complete -c clatent -n '__fish_seen_subcommand_from config' -l show-origin
complete -c clatent -n '__fish_seen_subcommand_from config' -l path
complete -c clatent -n '__fish_seen_subcommand_from config' -l json
complete -c clatent -n '__fish_seen_subcommand_from config' -l help
complete -c clatent -f -n __fish_use_subcommand -a bench -d 'time and GFLOP/s of each network and each op in it, peak memory'
complete -c clatent -n '__fish_seen_subcommand_from bench' -l help
complete -c clatent -f -n __fish_use_subcommand -a selftest -d 'every kernel variant of a device against plain C'
complete -c clatent -n '__fish_seen_subcommand_from selftest' -l device -x
complete -c clatent -n '__fish_seen_subcommand_from selftest' -l json
complete -c clatent -n '__fish_seen_subcommand_from selftest' -l report
complete -c clatent -n '__fish_seen_subcommand_from selftest' -l help
complete -c clatent -f -n __fish_use_subcommand -a tune -d 'find the fastest kernels of a device for a model, by timing'
complete -c clatent -n '__fish_seen_subcommand_from tune' -l seconds -x
complete -c clatent -n '__fish_seen_subcommand_from tune' -l shapes -x
complete -c clatent -n '__fish_seen_subcommand_from tune' -l dry-run
complete -c clatent -n '__fish_seen_subcommand_from tune' -l check -r -F
complete -c clatent -n '__fish_seen_subcommand_from tune' -l help
complete -c clatent -f -n __fish_use_subcommand -a completion -d 'the script that completes words of clatent in a shell'
complete -c clatent -n '__fish_seen_subcommand_from completion' -l help
complete -c clatent -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'
complete -c clatent -f -n __fish_use_subcommand -a help -d 'this text, or more about a verb'
complete -c clatent -n '__fish_seen_subcommand_from help' -l help
complete -c clatent -f -n '__fish_seen_subcommand_from help' -a '(__clatent_verbs)'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l model -s m -r -F -d 'folder in diffusers\' layout, CompVis .ckpt with its .yaml, a name in model_path, or hf:ORG/NAME[@REV] in the local hub cache'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l model-path -x -d 'where a model that is a bare name is looked for'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l prompt -s p -x -d 'text to image: what to show'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l prompt-file -r -F -d 'a prompt in each line, with --options behind it, or a JSON object'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l class -x -d 'class-conditional models: a class, by its number or its name in class_labels'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l class-labels -r -F -d 'text file with the names of the classes, line by line from class 0 on'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l image -s i -r -F -d '.png, .jpg, or .npy [N,3,H,W] in -1..1: what super-resolution enlarges, inpainting fills, and others start from at a strength below 1'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l mask -r -F -d 'inpainting: .png of the image\'s size, white where it is to be filled'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l label-map -r -F -d 'semantic synthesis: 8-bit .png whose pixels are label numbers'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l layout -r -F -d 'layout to image: [{class: 3, x: 0.1, y: 0.2, w: 0.5, h: 0.4}, ...] in parts of the image, or a YAML file with such a list'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l height -x -d 'multiple of 4 or 8, as the model wants'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l width -x -d 'multiple of 4 or 8, as the model wants'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l num-inference-steps -l steps -x -d 'denoising steps, 1 to 1000'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l guidance-scale -x -d 'how strongly the prompt pulls, 0 to 100'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l eta -x -d 'share of fresh noise in each step of DDIM, 0 to 1'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l seed -x -d 'of the start noise: image i gets N + i'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l batch-size -x -d 'images per prompt, class, ...'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l latents -r -F -d '.npy or .safetensors, [N,C,height/8,width/8]: start from exactly this noise, of deviation 1'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l strength -x -d 'share of the steps that is done, above 0 to 1: below 1 they start in the middle, from clean latents with noise'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l rng -x -a 'torch numpy philox' -d 'whose random numbers: torch\'s CPU generator (default), numpy\'s RandomState, torch\'s CUDA generator (to 1e-6)'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l generator -x -a 'image batch' -d 'a generator for each image, from its own seed (default), or one that draws the noise of all images as one tensor'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l compat -x -a 'none diffusers' -d 'diffusers: keep the known defects of its pipelines and schedulers, to compare'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l scheduler -x -a '(__clatent_schedulers)' -d 'sampler and its options (clatent schedulers lists them)'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l sweep -x -d 'an image for each of these values, 1-9 and 1-9(+2) too'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l output -s o -r -F -d 'file name with {index} {index:05} {seed} {model} {steps} {prompt:40} {date:%Y%m%d}'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l sheet -r -F -d '.png that shows all images of the job together'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l overwrite -d 'replace existing files instead of taking the next free {index}'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l resume -d 'keep a list of finished images beside them, and skip those that are on it'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l metadata -d 'write prompt and settings into .png files (default'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l no-metadata -d 'the opposite of --metadata'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l ai-mark -d 'mark .png files as made by a model, for machines to read (default)'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l no-ai-mark -d 'the opposite of --ai-mark'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l device -x -d 'an OpenCL device by its number, pci: and its bus address, or part of its name'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l device-timeout -x -d 'give a device up that has not answered for so long, 0: never'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l precision -x -a 'auto f32 f16' -d 'of text encoder and UNet: f16 keeps their weights in memory with 11 bits and half the space'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l gemm -x -a 'auto own clblast' -d 'which kernels multiply matrices'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l kernels -x -a 'auto generic' -d 'generic: only the plain kernels that run anywhere, slower'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l float32-matmul-precision -x -a 'highest high' -d 'high: factors of 16 bits where a matrix unit has them'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l variant -x -d 'take the weight files of this variant, such as fp16'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l trace -r -F -d '.safetensors that receives every stage, to compare with another program'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l progress -x -a 'auto plain json none' -d 'on standard error'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l preview -x -d 'show every N steps what the images will be, in colours that are roughly right: in preview_output, and on a terminal'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l preview-output -r -F -d 'the .png file of a preview, replaced by the next one'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l quiet -s q -d 'no words on standard error but errors'
complete -c clatent -n '__fish_seen_subcommand_from generate encode decode reconstruct bench tune' -l json -d 'one JSON object per finished image on standard output'
