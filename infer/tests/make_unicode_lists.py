"""Prints the lists of characters and scripts that tests of Attend expect, from Python and from ICU.

    pip install PyICU
    python infer/tests/make_unicode_lists.py

The lists stand in `infer/src/script.rs` and `data/src/line.rs`.
"""

import sys

import icu

CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def ranges(characters):
    """Returns the ranges of code points that a sorted list of characters has."""
    found = []
    for code in map(ord, characters):
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return " ".join(f"{first:x}-{last:x}" for first, last in found)


def is_invisible_format(character):
    ignorable = icu.Char.hasBinaryProperty(character, icu.UProperty.DEFAULT_IGNORABLE_CODE_POINT)
    return ignorable and icu.Char.charType(character) == icu.UCharCategory.FORMAT_CHAR


def main():
    print("ICU", icu.ICU_VERSION, "Unicode", icu.UNICODE_VERSION)
    scripts = [icu.Script.getScript(character) for character in CHARACTERS]
    without_spaces = {script.getShortName() for script in scripts if script.breaksBetweenLetters()}
    print("scripts without spaces:", *sorted(without_spaces))
    line_ends = [character for character in CHARACTERS if len(f"a{character}b".splitlines()) == 2]
    print("line ends:", ranges(line_ends))
    print("invisible format characters:", ranges(filter(is_invisible_format, CHARACTERS)))


if __name__ == "__main__":
    main()
