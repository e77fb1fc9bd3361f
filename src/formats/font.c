/* font.c - a font of 5 x 9 dots, drawn below. SPDX-License-Identifier: MIT */
#include "formats/font.h"

#include <stdbool.h>

#define ROWS 9
#define STRIP 12 /* letters side by side, a column apart */
#define INK 32   /* brightness */

/* ASCII from the space on; the last is for all others. */
/* clang-format off */
static const char *const strips[][ROWS] = {
    { /*    !  "  #  $  %  &  '  (  )  *  + */
        "        #    # #   # #    #   ##  #  ##     #      #   #               ",
        "        #    # #   # #   #### ##  # #  #    #     #     #     #     #  ",
        "        #    # #  ##### # #      #  # #     #    #       #  # # #   #  ",
        "        #          # #   ###    #    #           #       #   ###  #####",
        "        #         #####   # #  #    # # #        #       #  # # #   #  ",
        "                   # #  ####  #  ## #  #          #     #     #     #  ",
        "        #          # #    #   #  ##  ## #          #   #               ",
        "                                                                       ",
        "                                                                       ",
    },
    { /* ,  -  .  /  0  1  2  3  4  5  6  7 */
        "                      #  ###    #    ###  #####    #  #####   ##  #####",
        "                      # #   #  ##   #   #    #    ##  #      #        #",
        "                     #  #  ## # #       #   #    # #  ####  #        # ",
        "      #####         #   # # #   #     ##     #  #  #      # ####    #  ",
        "                   #    ##  #   #    #        # #####     # #   #   #  ",
        " ##          ##   #     #   #   #   #     #   #    #  #   # #   #  #   ",
        " ##          ##   #      ###  ##### #####  ###     #   ###   ###   #   ",
        "  #                                                                    ",
        " #                                                                     ",
    },
    { /* 8  9  :  ;  <  =  >  ?  @  A  B  C */
        " ###   ###                 #         #     ###   ###    #   ####   ### ",
        "#   # #   #  ##    ##     #           #   #   # #   #  # #  #   # #   #",
        "#   # #   #  ##    ##    #    #####    #      # # ### #   # #   # #    ",
        " ###   ####             #               #    #  # # # #   # ####  #    ",
        "#   #     #  ##    ##    #    #####    #    #   # ### ##### #   # #    ",
        "#   #    #   ##    ##     #           #         #     #   # #   # #   #",
        " ###   ##           #      #         #      #    ###  #   # ####   ### ",
        "                   #                                                   ",
        "                                                                       ",
    },
    { /* D  E  F  G  H  I  J  K  L  M  N  O */
        "###   ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ### ",
        "#  #  #     #     #   # #   #   #      #  #  #  #     ## ## ##  # #   #",
        "#   # #     #     #     #   #   #      #  # #   #     # # # ##  # #   #",
        "#   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   #",
        "#   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   #",
        "#  #  #     #     #   # #   #   #   #  #  #  #  #     #   # #  ## #   #",
        "###   ##### #      #### #   #  ###   ##   #   # ##### #   # #   #  ### ",
        "                                                                       ",
        "                                                                       ",
    },
    { /* P  Q  R  S  T  U  V  W  X  Y  Z  [ */
        "####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ### ",
        "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #   ",
        "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #   ",
        "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #   ",
        "#     # # # # #       #   #   #   #  # #  # # #  # #    #    #     #   ",
        "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #      #   ",
        "#      ## # #   # ####    #    ###    #   #   # #   #   #   #####  ### ",
        "                                                                       ",
        "                                                                       ",
    },
    { /* \  ]  ^  _  `  a  b  c  d  e  f  g */
        "#      ###    #          #          #               #         ##       ",
        "#        #   # #          #         #               #        #         ",
        " #       #  #   #              ###  ####   ###   ####  ###  ####   ####",
        "  #      #                        # #   # #   # #   # #   #  #    #   #",
        "   #     #                     #### #   # #     #   # #####  #    #   #",
        "    #    #                    #   # #   # #   # #   # #      #    #   #",
        "    #  ###                     #### ####   ###   ####  ###   #     ####",
        "                  #####                                               #",
        "                                                                   ### ",
    },
    { /* h  i  j  k  l  m  n  o  p  q  r  s */
        "#       #      #  #      ##                                            ",
        "#                 #       #                                            ",
        "####   ##     ##  #  #    #   ## #  ####   ###  ####   #### # ##   ####",
        "#   #   #      #  # #     #   # # # #   # #   # #   # #   # ##    #    ",
        "#   #   #      #  ##      #   # # # #   # #   # #   # #   # #      ### ",
        "#   #   #      #  # #     #   # # # #   # #   # #   # #   # #         #",
        "#   #  ###     #  #  #   ###  # # # #   #  ###  ####   #### #     #### ",
        "            #  #                                #         #            ",
        "             ##                                 #         #            ",
    },
    { /* t  u  v  w  x  y  z  {  |  }  ~  other */
        " #                                          ##    #    ##         #####",
        " #                                          #     #     #         #   #",
        "####  #   # #   # #   # #   # #   # #####   #     #     #    #    #   #",
        " #    #   # #   # #   #  # #  #   #    #   #      #      #  # # # #   #",
        " #    #   # #   # # # #   #   #   #   #     #     #     #      #  #   #",
        " #    #   #  # #  # # #  # #  #   #  #      #     #     #         #   #",
        "  ##   ####   #    # #  #   #  #### #####   ##    #    ##         #####",
        "                                  #                                    ",
        "                               ###                                     ",
    },
};
/* clang-format on */

/* A byte that begins a character. */
static bool begins(char byte)
{
    return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t font_letters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += begins(*text);
    return count;
}

size_t font_bytes(const char *text, size_t letters)
{
    size_t size = 0;
    for (; text[size]; size++)
        if (begins(text[size]) && letters-- == 0)
            break;
    return size;
}

static void draw_dot(unsigned char *rgb, int height, int width, int x, int y, int scale)
{
    for (int i = y < 0 ? 0 : y; i < y + scale && i < height; i++)
        for (int j = x < 0 ? 0 : x; j < x + scale && j < width; j++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)i * (size_t)width + (size_t)j) * 3 + (size_t)c] = INK;
}

static void draw_letter(
    unsigned char *rgb, int height, int width, int x, int y, int scale, unsigned char code)
{
    unsigned index = code >= ' ' && code < 127 ? code - ' ' : 127 - ' ';
    for (int row = 0; row < ROWS; row++) {
        const char *dots = strips[index / STRIP][row] + index % STRIP * FONT_WIDTH;
        for (int column = 0; column < FONT_WIDTH - 1; column++)
            if (dots[column] == '#')
                draw_dot(rgb, height, width, x + column * scale, y + row * scale, scale);
    }
}

void font_draw(unsigned char *rgb, int height, int width, int x, int y, int scale, const char *text,
    size_t letters)
{
    for (; *text && letters; text++) {
        if (!begins(*text))
            continue;
        draw_letter(rgb, height, width, x, y, scale, (unsigned char)*text);
        x += FONT_WIDTH * scale;
        letters--;
    }
}
