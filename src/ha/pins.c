/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/pins.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "crypto/x509.h"

#define PEM_MAX 65536
#define TRUST_MAX (1u << 20)

void
pins_add_brought(const struct home *h, struct buf *out)
{
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX + 264];
	struct err ignored;

	home_path(h, HOME_TRUSTED, folder);
	DIR *d = opendir(folder);
	for (struct dirent *f; d && (f = readdir(d));) {
		const char *end = strrchr(f->d_name, '.');

		if (!end || strcmp(end, ".pem") != 0 || out->len >= TRUST_MAX)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, f->d_name);
		if (home_read_file(path, PEM_MAX, out, &ignored) == 0)
			buf_addc(out, '\n');
	}
	if (d)
		closedir(d);
}

bool
pins_may_pin(const char *pem)
{
	struct x509_info info;
	struct err ignored;

	return pem[0] && x509_read(pem, &info, &ignored) == 0 && info.self_signed;
}
