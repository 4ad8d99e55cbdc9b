/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/policy.h"

#include <string.h>
#include "base/clock.h"
#include "base/name.h"
#include "vault/lists.h"
#include "vault/refusals.h"

#define SEVERAL_TOLD 4 /* holders of a name that are named */

static const struct {
	const char *name;
	unsigned may;
} roles[] = {
	[ROLE_NONE] = { NULL, CAP_NONE },
#define CAPABILITY(NAME, name, bit, text)
#define ROLE(NAME, name, capabilities, text) [ROLE_##NAME] = { #name, capabilities },
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
};

bool
policy_has(enum role role, unsigned capabilities)
{
	return (capabilities & ~roles[role].may) == 0;
}

bool
policy_may(const struct call *c, unsigned capabilities)
{
	return policy_has(c->who.role, capabilities);
}

enum role
policy_role(const char *name)
{
	for (size_t r = ROLE_NONE + 1; r < ARRAY_LEN(roles); r++)
		if (strcmp(roles[r].name, name) == 0)
			return (enum role)r;
	return ROLE_NONE;
}

const char *
policy_role_name(enum role role)
{
	return roles[role].name;
}

void
policy_write_capabilities(struct json_out *out, enum role role)
{
#define CAPABILITY(NAME, name, bit, text)                                                          \
	if (policy_has(role, bit))                                                                 \
		json_out_text(out, NULL, #name);
#define ROLE(NAME, name, capabilities, text)
#include "vault/role.def"
#undef ROLE
#undef CAPABILITY
}

void
policy_list_roles(struct buf *ret)
{
	for (size_t r = ROLE_NONE + 1; r < ARRAY_LEN(roles); r++)
		buf_addf(ret, "%s%s",
			 r == ROLE_NONE + 1	    ? ""
			 : r + 1 < ARRAY_LEN(roles) ? ", "
						    : " or ",
			 roles[r].name);
}

static const char *const level_names[] = { NULL, "view", "modify", "manage", "owner" };

const char *
policy_level_name(int level)
{
	return level >= 0 && level < (int)ARRAY_LEN(level_names) ? level_names[level] : NULL;
}

int
policy_level(const char *name)
{
	for (int level = LEVEL_VIEW; level <= LEVEL_MANAGE; level++)
		if (strcmp(level_names[level], name) == 0)
			return level;
	return LEVEL_NONE;
}

static int
append_refusal(struct call *c, const struct uuid *object, const char *what, struct err *e)
{
	auto_buf body = BUF_INIT;
	struct json_out w;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	json_out_text(&w, "what", what);
	json_out_end_object(&w);
	return vault_append(c, EVENT_FORBIDDEN, object, buf_str(&body), e);
}

int
policy_refuse(struct call *c, const struct uuid *object, bool known, const char *what,
	      struct err *e)
{
	const struct refusal x = { .kind = EVENT_FORBIDDEN,
				   .actor = c->who.user,
				   .address = c->who.address,
				   .what = what };
	int rc = refusals_take(c->v->refusals, &x) ? append_refusal(c, object, what, e) : 0;
	if (rc)
		return rc;
	if (known)
		return err_set(e, ERR_FORBIDDEN, "your role or share does not allow this: %s",
			       what);
	return err_set(e, ERR_NOT_FOUND, "%s", err_info(ERR_NOT_FOUND)->text);
}

int
policy_check(struct call *c, const struct uuid *object, int level, int need, bool seen,
	     const char *what, struct err *e)
{
	if (level >= need)
		return 0;
	return policy_refuse(c, object, seen, what, e);
}

const char *
policy_pattern(struct arena *a, const char *text)
{
	char *ret = arena_alloc(a, 2 * strlen(text) + 3), *p = ret;
	*p++ = '%';
	for (; *text; text++) {
		if (strchr("\\%_", *text))
			*p++ = '\\';
		*p++ = *text;
	}
	*p++ = '%';
	*p = '\0';
	return ret;
}

const char *
policy_nfc(struct arena *a, const char *text)
{
	auto_buf nfc = BUF_INIT;

	name_nfc(text, &nfc);
	return arena_strdup(a, buf_str(&nfc));
}

int
policy_take_name(struct arena *a, const char **text, const char *what, struct err *e)
{
	*text = policy_nfc(a, *text);
	return name_check(*text, what, e);
}

void
policy_write_suffix(struct json_out *out, const struct uuid *id, bool shared)
{
	char suffix[NAME_SUFFIX_LEN];

	name_suffix(id, suffix);
	if (shared)
		json_out_text(out, "suffix", suffix);
	else
		json_out_null(out, "suffix");
}

bool
policy_split_suffix(struct arena *a, const char *word, const char **ret_name, const char **ret_tail)
{
	const char *suffix = name_find_suffix(word);

	if (!suffix)
		return false;
	*ret_name = arena_strndup(a, word, (size_t)(suffix - word));
	*ret_tail = arena_strdup(a, suffix + 1);
	return true;
}

int
policy_several(const struct rows *r, int col, const char *what, struct err *e)
{
	auto_buf list = BUF_INIT;
	char suffix[NAME_SUFFIX_LEN];
	struct uuid id;

	for (int i = 0; i < rows_count(r) && i < SEVERAL_TOLD; i++) {
		row_uuid(r, i, col, &id);
		name_suffix(&id, suffix);
		buf_addf(&list, "%s%s", i ? ", " : "", suffix);
	}
	return err_set(e, ERR_CONFLICT, "%s; put a suffix behind it: %s", what, buf_str(&list));
}

void
policy_write_thing(struct json_out *out, const char *what, const struct uuid *id,
		   const char *called, const char *name, bool shared)
{
	if (!id) {
		json_out_null(out, what);
		return;
	}
	json_out_object(out, what);
	json_out_uuid(out, "id", id);
	json_out_text(out, called, name);
	policy_write_suffix(out, id, shared);
	json_out_end_object(out);
}

void
policy_write_named(struct json_out *out, const char *what, const struct rows *r, int i, int col)
{
	struct uuid id;

	if (row_null(r, i, col + 1)) {
		json_out_null(out, what);
		return;
	}
	row_uuid(r, i, col, &id);
	json_out_object(out, what);
	json_out_uuid(out, "id", &id);
	json_out_text(out, "name", row_text(r, i, col + 1));
	json_out_end_object(out);
}

int
policy_by_name(struct call *c, enum stmt s, const char *name, struct rows **ret, struct err *e)
{
	const char *const forms[] = { policy_nfc(c->a, name), name };
	size_t n = strcmp(forms[0], forms[1]) == 0 ? 1 : 2;

	for (size_t i = 0; i < n; i++) {
		auto_binds b = BINDS_INIT;
		auto_rows r = NULL;
		const char *plain = "", *tail = "";
		policy_split_suffix(c->a, forms[i], &plain, &tail);
		bind_text(&b, forms[i]);
		bind_text(&b, plain);
		bind_text(&b, tail);
		int rc = db_exec(vault_reader(c->v), c->f, s, &b, &r, e);
		if (rc)
			return rc;
		if (rows_count(r) || i + 1 == n) {
			*ret = TAKE(r);
			break;
		}
	}
	return 0;
}

int
policy_place(struct call *c, enum stmt s, const struct policy_page *page, const char **ret,
	     struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	*ret = "";
	if (uuid_is_nil(&page->after))
		return 0;
	bind_uuid(&b, &page->after);
	int rc = lists_ask(c, s, &b, &r, e);
	if (rc)
		return rc;
	*ret = rows_count(r) ? arena_strdup(c->a, row_text(r, 0, COL_PLACE_PLACE)) : NULL;
	return 0;
}

void
policy_bind_page(struct binds *b, const char *place, const struct policy_page *page)
{
	bind_text(b, place);
	bind_uuid(b, &page->after);
	bind_int(b, page->rows + 1);
}

bool
policy_full(const struct json_out *out)
{
	return out->out->len >= POLICY_ANSWER_BYTES;
}

const struct uuid *
policy_or_null(const struct uuid *u)
{
	return uuid_is_nil(u) ? NULL : u;
}

struct event
policy_event(const struct call *c, enum event_kind kind, const struct uuid *object,
	     const char *body)
{
	return (struct event){
		.at_us = clock_now_us(),
		.kind = kind,
		.actor = c->who.user,
		.object = *object,
		.address = c->who.address ? c->who.address : "",
		.body = vault_body(c, body),
	};
}

int
policy_append(struct call *c, struct event *ev, size_t n, struct err *e)
{
	int rc = ledger_append(c->v->ledger, c->f, ev, n, &c->durability, e);
	c->logged = c->logged || rc == 0;
	return rc;
}
