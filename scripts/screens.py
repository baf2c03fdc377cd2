#!/usr/bin/python3
"""Draws what a terminal shows, from its own escape sequences, as a PNG: screens.py TEXT COLUMNS PICTURE."""
import re
import sys

from PIL import Image, ImageDraw, ImageFont

FONTS = "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-"
SIZE, LEADING, MARGIN, BAR = 26, 1.32, 36, 56
BACKGROUND, TITLE, TEXT, DIM = "#11151c", "#1a202b", "#d5dae3", "#7d8797"
BUTTONS = ("#e0655e", "#dfb350", "#5fb263")
# The eight colours of SGR 30 to 37.
COLOURS = ("#3b4252", "#ff6b72", "#8fd67c", "#ecc46a", "#7aa8ff", "#d08be0", "#64cfdc", "#d5dae3")


def cells(text):
    """The characters of each line, each with its colour and whether it is bold. Attributes last beyond a line's end."""
    colour, bold, dim = None, False, False
    for line in text.split("\n"):
        row = []
        for match in re.finditer(r"\x1b\[([0-9;]*)m|(.)", line):
            codes, character = match.groups()
            if character is not None:
                row.append((character, colour or (DIM if dim else TEXT), bold))
                continue
            for code in (int(code or 0) for code in codes.split(";")):
                if code == 0:
                    colour, bold, dim = None, False, False
                elif code == 1:
                    bold = True
                elif code == 2:
                    dim = True
                elif code in (39, 49):
                    colour = None
                elif 30 <= code <= 37:
                    colour = COLOURS[code - 30]
                else:
                    sys.exit(f"screens.py: SGR {code} is not known")
        yield row


def main(source, columns, picture):
    lines = list(cells(open(source, encoding="utf-8").read()))
    while lines and not "".join(character for character, *_ in lines[-1]).strip("$ "):
        lines.pop()
    regular = ImageFont.truetype(FONTS + "Regular.ttf", SIZE)
    strong = ImageFont.truetype(FONTS + "Bold.ttf", SIZE)
    wide, high = round(regular.getlength("M")), round(SIZE * LEADING)
    size = (columns * wide + 2 * MARGIN, len(lines) * high + BAR + 2 * MARGIN - MARGIN // 2)
    image = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0], BAR), fill=TITLE)
    for number, colour in enumerate(BUTTONS):
        left = MARGIN + number * 34
        draw.ellipse((left, BAR // 2 - 9, left + 18, BAR // 2 + 9), fill=colour)
    for row, line in enumerate(lines):
        top = BAR + MARGIN // 2 + MARGIN // 4 + row * high
        for column, (character, colour, bold) in enumerate(line):
            left, middle = MARGIN + column * wide, top + high // 2
            if character in "━─":
                half = 3 if character == "━" else 1
                draw.rectangle((left, middle - half, left + wide - 1, middle + half - 1), fill=colour)
            elif character != " ":
                draw.text((left, top), character, fill=colour, font=strong if bold else regular)
    # Few colours, so a palette loses nothing that an eye would see.
    image.quantize(255, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(picture, optimize=True)


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
