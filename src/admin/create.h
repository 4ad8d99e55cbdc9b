/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes a node: its home folder, and for a primary the master key, the cluster and the first
 * administrator. All or nothing: a child does the work, and whatever ends it early (a refusal,
 * Ctrl-C, a crash) leaves what was there before. Blocking; no threads may run.
 */
#pragma once

#include <stdbool.h>
#include "base/err.h"
#include "base/home.h"
#include "base/settings.h"
#include "crypto/token.h"
#include "crypto/x509.h"

struct create_options {
	const char *home;	 /* may not exist yet, or be an empty folder */
	const char *key_file;	 /* NULL: <home>.key; a valid key that is there already is used */
	const char *name;	 /* NULL: the machine's name */
	const char *listen;	 /* NULL: the default */
	const char *pair_listen; /* NULL: the default */
	const char *also;	 /* further names of the web certificate, with commas; or NULL */
	/* What the vault's authority is for, with commas; NULL: what name and also say. */
	const char *domain;
	const char *user; /* --user, or NULL */
	bool secondary;	  /* folders, certificate and settings only */
	/* Runs in the child, instead of making a new cluster and its first events; key_file must
	 * exist. May change *n, except for its name. */
	int (*fill)(void *fill_ctx, const struct home *h, const struct settings *s,
		    const char *key_file, struct home_node *n, struct err *e);
	void *fill_ctx;
	bool scratch; /* remove it all again in the end, even after success */
	void (*say)(void *ctx, const char *text); /* progress; NULL: quiet. Called in the child */
	void *ctx;
};

struct create_result {
	char home[HOME_PATH_MAX];
	char key_file[HOME_PATH_MAX]; /* "": a secondary without --key-file */
	bool key_made;
	struct home_node node;
	char listen[256];
	char user[64];			 /* who it belongs to */
	char setup_token[TOKEN_STR_LEN]; /* of the first administrator; the caller wipes it */
	char authority[X509_PIN_LEN];	 /* SHA-256 of the vault's; "" where none is made */
	char scopes[512];		 /* what it is for */
};

int create_node(const struct create_options *o, struct create_result *ret,
		struct err *e) NONNULL MUST_USE;

/* An absolute path without symbolic links of a file that need not exist yet, in a folder that does.
 */
int create_resolve(const char *path, char ret[static HOME_PATH_MAX],
		   struct err *e) NONNULL MUST_USE;
/* Whether path is in folder dir, or is it; both as create_resolve returns them. */
bool create_inside(const char *path, const char *dir) NONNULL;
/* The sample of conf/holdfast.conf with these values set (NULL: the default stays a comment). */
void create_sample(const struct create_options *o, const char *name, struct buf *out) NONNULL;
