/* SPDX-License-Identifier: Apache-2.0 */
#include "ha/pins.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "crypto/x509.h"

#define PEM_MAX 65536
#define TRUST_MAX (1u << 20)

/* What is damaged is left out, so that the rest still counts. */
static bool
add_file(const char *path, bool quiet, struct buf *out)
{
	auto_buf pem = BUF_INIT;
	struct x509_info info;
	struct err e = { 0 };

	int rc = home_read_file(path, PEM_MAX, &pem, &e);
	if (rc == 0)
		rc = x509_read(buf_str(&pem), &info, &e);
	if (rc == 0 && out->len < TRUST_MAX)
		buf_addf(out, "%s\n", buf_str(&pem));
	if (rc && !quiet)
		log_err(LOG_LEVEL_ERROR, &e,
			"%s is not trusted any more: import it again with `holdfast cert import "
			"FILE`, or put it back from another node",
			path);
	return rc == 0;
}

bool
pins_add_authorities(const struct home *h, bool quiet, struct buf *out)
{
	char folder[HOME_PATH_MAX], path[HOME_PATH_MAX + 264];
	bool good = true;

	home_path(h, HOME_PAIR_CA, path);
	if (home_has(h, HOME_PAIR_CA))
		good = add_file(path, quiet, out);
	home_path(h, HOME_TRUSTED, folder);
	DIR *d = opendir(folder);
	for (struct dirent *f; d && (f = readdir(d));) {
		const char *end = strrchr(f->d_name, '.');

		if (!end || strcmp(end, ".pem") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, f->d_name);
		good &= add_file(path, quiet, out);
	}
	if (d)
		closedir(d);
	return good;
}

bool
pins_may_pin(const char *pem)
{
	struct x509_info info;
	struct err ignored;

	return pem[0] && x509_read(pem, &info, &ignored) == 0 && info.self_signed;
}
