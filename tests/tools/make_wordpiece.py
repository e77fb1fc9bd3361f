#!/usr/bin/env python3
"""Cases for tests/wordpiece from transformers' BertTokenizer: make_wordpiece.py OUT_FOLDER [COUNT [SEED]]

Writes OUT_FOLDER/vocab.txt and OUT_FOLDER/cases.txt. A case is a line of three fields: the flags
(lower case, strip accents, Chinese characters: 1 or 0), the prompt as hexadecimal UTF-8, the ids without
[CLS] and [SEP]. The vocabulary holds most characters that the prompts come to, alone and as "##"
pieces, so that a wrongly treated character shows as a wrong id and not as one more [UNK].

    make_wordpiece.py tests/data/wordpiece 200       # the committed cases
    make_wordpiece.py /tmp/words 20000 7 && tests/wordpiece /tmp/words/vocab.txt /tmp/words/cases.txt

SPDX-License-Identifier: MIT"""
import os
import random
import sys
import unicodedata

from transformers import BertTokenizer

folder = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
os.makedirs(folder, exist_ok=True)

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
BLOCKS = [(0x20, 0x7F), (0x01, 0x100), (0x100, 0x250), (0x250, 0x370), (0x370, 0x530), (0x530, 0x700),
          (0x900, 0x1100), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2200),
          (0x2200, 0x2C00), (0x2C00, 0x3040), (0x3040, 0x3200), (0x3400, 0x9FFF), (0xAC00, 0xD7A4),
          (0xE000, 0xF900), (0xF900, 0xFB50), (0xFB50, 0xFFFE), (0x10000, 0x10500), (0x10C80, 0x10D00),
          (0x1D100, 0x1D800), (0x1F300, 0x1FA00), (0x20000, 0x2FA20), (0xE0000, 0xE01F0)]
PHRASES = SPECIALS + ["[mask]", "[CLS", "a squirrel eating a burger", "Café au lait, naïve-Bayes!",
                      "unaffable 北京", "ΟΔΥΣΣΕΥΣ ΣΑΣ", "İstanbul ıI", "straße STRASSE ẞ", "ﬁre ﬂow", "한국어 テスト",
                      "e\u0301\u0327 x\u0338", "\u1E9B\u0323", "tab\tnew\nline\r\u00a0\u3000\u2028\u2029x",
                      "zero\u200bwidth\u200d\ufeff\u00ad", "\ufffd\x7f\x80", "x" * 99, "y" * 100, "z" * 101,
                      "é" * 100, "é" * 101, "don't stop--ever...", "$5+3=8 ^_^ `~|", "½ ² Å Ω K", "👩‍👩‍👧 🇩🇪"]
REFERENCE = BertTokenizer(vocab={token: i for i, token in enumerate(SPECIALS)}).backend_tokenizer


def is_settled(c):
    """The reference's tables are of Unicode 8: where today's category would be treated differently (some
    500 newer marks and punctuation characters), there is nothing to compare."""
    category = unicodedata.category(c)
    kept = REFERENCE.normalizer.normalize_str("a" + c).strip()
    split = len(REFERENCE.pre_tokenizer.pre_tokenize_str("a" + c + "a")) > 1
    if category == "Cn" or (category in ("Mn", "Cf")) != (kept == "a") and not category.startswith(("Z", "Cc")):
        return category == "Co"
    return category[0] != "P" and category[0] != "S" or split == (category[0] == "P" or c.isascii())


def character():
    low, high = rng.choice(BLOCKS)
    while True:
        c = chr(rng.randrange(low, high))
        if not 0xD800 <= ord(c) < 0xE000 and is_settled(c):
            return c


def prompt():
    parts = []
    for _ in range(rng.randrange(1, 8)):
        kind = rng.random()
        if kind < 0.3:
            parts.append(rng.choice(PHRASES))
        elif kind < 0.5:
            parts.append("".join(chr(rng.randrange(97, 123)) for _ in range(rng.randrange(1, 9))))
        else:
            parts.append("".join(character() for _ in range(rng.randrange(1, 8))))
        parts.append(rng.choice(["", " ", " ", "  "]))
    return "".join(parts)


prompts = PHRASES + [prompt() for _ in range(count)]
flags = [rng.choice([(1, 1, 1)] * 5 + [(1, 0, 1), (0, 0, 1), (0, 1, 1), (1, 1, 0), (0, 0, 0)]) for _ in prompts]
plain = set("abcdefghijklmnopqrstuvwxyz0123456789")
for text in prompts:
    for form in (text, text.lower(), unicodedata.normalize("NFD", text), unicodedata.normalize("NFD", text).lower()):
        plain |= set(form)
plain = sorted(c for c in plain if not c.isspace() and unicodedata.category(c) not in ("Cc",))
kept = [c for c in plain if rng.random() < 0.95 or c.isascii()]
words = ["".join(rng.choice(kept) for _ in range(rng.randrange(2, 4))) for _ in range(300)]
words += ["squ", "squirrel", "burger", "eat", "ing", "naive", "istanbul"]
vocabulary = list(dict.fromkeys(SPECIALS + kept + words))
vocabulary += ["##" + token for token in vocabulary[len(SPECIALS):] if rng.random() < 0.95]
path = os.path.join(folder, "vocab.txt")
with open(path, "w", encoding="utf-8", newline="\n") as file:
    file.write("".join(token + "\n" for token in vocabulary))

index = {token: i for i, token in enumerate(vocabulary)}
tokenizers = {}
with open(os.path.join(folder, "cases.txt"), "w", newline="\n") as file:
    for text, flag in zip(prompts, flags):
        if flag not in tokenizers:
            lower, strip, chinese = map(bool, flag)
            tokenizers[flag] = BertTokenizer(vocab=index, do_lower_case=lower, strip_accents=strip,
                                             tokenize_chinese_chars=chinese)
        ids = tokenizers[flag](text, add_special_tokens=False)["input_ids"]
        file.write("%d%d%d %s %s\n" % (*flag, text.encode().hex(), " ".join(map(str, ids))))
print(len(prompts), "cases,", len(vocabulary), "tokens")
