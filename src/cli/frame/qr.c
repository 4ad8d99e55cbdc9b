/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame/qr.h"

#include <qrencode.h>
#include <stdbool.h>
#include <stdio.h>

static bool
is_light(const QRcode *q, int x, int y)
{
	if (x < 0 || y < 0 || x >= q->width || y >= q->width)
		return true;
	return !(q->data[y * q->width + x] & 1);
}

/* Two rows of modules a line, in half blocks, light on dark or the other way round: readers take
 * both. Around it the quiet zone that they need. */
void
qr_print(const char *text)
{
	static const char *const blocks[] = { " ", "\u2584", "\u2580", "\u2588" };
	QRcode *q = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);

	if (!q)
		return;
	for (int y = -2; y < q->width + 2; y += 2) {
		for (int x = -2; x < q->width + 2; x++)
			fputs(blocks[2 * is_light(q, x, y) + is_light(q, x, y + 1)], stdout);
		putchar('\n');
	}
	QRcode_free(q);
}
