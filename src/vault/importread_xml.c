/* SPDX-License-Identifier: Apache-2.0
 *
 * KeePass 2's XML, which KeePassXC writes too. A document type is never accepted, so there are no
 * entities but XML's own five. The recycle bin is recognised by its id, which comes before the
 * groups.
 */
#include <string.h>
#include <strings.h>
#include <expat.h>
#include "base/secret.h"
#include "base/mem.h"
#include "vault/importread.h"

#define DEPTH_MAX 64
#define PIECE (64u << 10)

/* What an element is, by its name and by what it is in. */
enum element {
	ELEMENT_OTHER,
	ELEMENT_FILE,
	ELEMENT_META,
	ELEMENT_BIN, /* the recycle bin's id */
	ELEMENT_ROOT,
	ELEMENT_GROUP,
	ELEMENT_GROUP_ID,
	ELEMENT_GROUP_NAME,
	ELEMENT_ENTRY,
	ELEMENT_STRING,
	ELEMENT_KEY,
	ELEMENT_VALUE,
	ELEMENT_LOST, /* has no place here: counted when there is something in it */
};

static const struct {
	enum element in, is;
	const char *name;
} elements[] = {
	{ ELEMENT_OTHER, ELEMENT_FILE, "KeePassFile" },
	{ ELEMENT_FILE, ELEMENT_META, "Meta" },
	{ ELEMENT_META, ELEMENT_BIN, "RecycleBinUUID" },
	{ ELEMENT_FILE, ELEMENT_ROOT, "Root" },
	{ ELEMENT_ROOT, ELEMENT_GROUP, "Group" },
	{ ELEMENT_GROUP, ELEMENT_GROUP, "Group" },
	{ ELEMENT_GROUP, ELEMENT_GROUP_ID, "UUID" },
	{ ELEMENT_GROUP, ELEMENT_GROUP_NAME, "Name" },
	{ ELEMENT_GROUP, ELEMENT_ENTRY, "Entry" },
	{ ELEMENT_ENTRY, ELEMENT_STRING, "String" },
	{ ELEMENT_STRING, ELEMENT_KEY, "Key" },
	{ ELEMENT_STRING, ELEMENT_VALUE, "Value" },
	{ ELEMENT_ENTRY, ELEMENT_LOST, "Binary" },
	{ ELEMENT_ENTRY, ELEMENT_LOST, "Tags" },
	{ ELEMENT_ENTRY, ELEMENT_LOST, "OverrideURL" },
	{ ELEMENT_ENTRY, ELEMENT_LOST, "CustomData" },
	{ ELEMENT_ENTRY, ELEMENT_LOST, "History" },
};

struct group {
	const char *path; /* of its name and those above, below the root */
	bool removed;
};

struct reading {
	struct importfile *file;
	XML_Parser parser;
	enum element stack[DEPTH_MAX + 1]; /* [0]: outside */
	unsigned depth, skipped;	   /* skipped: elements inside one that says nothing */
	struct group group[DEPTH_MAX + 1];
	unsigned ngroups;
	struct buf text, key, value, bin;
	bool is_ciphered;   /* the value that is read is not plain */
	bool has_something; /* in what has no place here */
	struct importread_draft draft;
	int rc;
	struct err err;
};

static void
stop(struct reading *r, int rc)
{
	r->rc = rc;
	XML_StopParser(r->parser, XML_FALSE);
}

static unsigned
line_of(const struct reading *r)
{
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9 /* which warns of the older name */
	return (unsigned)XML_GetCurrentLineNumber64(r->parser);
#else
	return (unsigned)XML_GetCurrentLineNumber(r->parser);
#endif
}

static enum element
find_element(enum element in, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		if (elements[i].in == in && strcmp(elements[i].name, name) == 0)
			return elements[i].is;
	return ELEMENT_OTHER;
}

static void
begin_group(struct reading *r)
{
	struct group *above = r->ngroups ? &r->group[r->ngroups - 1] : NULL;
	r->group[r->ngroups++] =
		(struct group){ above ? above->path : "", above && above->removed };
}

static void
on_start(void *arg, const char *name, const char **attributes)
{
	struct reading *r = arg;
	enum element in = r->stack[r->depth];
	enum element is = r->skipped ? ELEMENT_OTHER : find_element(in, name);

	buf_reset(&r->text);
	if (is == ELEMENT_OTHER) {
		r->skipped++;
		return;
	}
	if (r->depth == DEPTH_MAX) {
		stop(r, err_set(&r->err, ERR_BAD_FIELD, "line %u: groups are nested too deeply",
				line_of(r)));
		return;
	}
	r->stack[++r->depth] = is;
	if (is == ELEMENT_GROUP)
		begin_group(r);
	if (is == ELEMENT_ENTRY)
		importread_begin(&r->draft, r->file, line_of(r));
	if (is == ELEMENT_STRING) {
		buf_reset(&r->key);
		buf_reset(&r->value);
	}
	for (; is == ELEMENT_VALUE && *attributes; attributes += 2)
		if (strcmp(attributes[0], "Protected") == 0 &&
		    strcasecmp(attributes[1], "true") == 0)
			r->is_ciphered = true;
}

static void
end_string(struct reading *r)
{
	static const struct {
		const char *key, *field;
	} names[] = { { "Password", "password" }, { "Notes", "notes" }, { "otp", "totp" } };
	struct importread_draft *d = &r->draft;
	struct arena *a = r->file->a;
	const char *key = buf_str(&r->key), *field = key;
	const char *value = arena_strndup(a, buf_str(&r->value), r->value.len);
	if (r->is_ciphered)
		d->entry.bad = "its values are encrypted: export it as XML that is not";
	r->is_ciphered = false;
	if (strcmp(key, "Title") == 0) {
		d->title = value;
	} else if (strcmp(key, "UserName") == 0) {
		d->entry.login = value;
	} else if (strcmp(key, "URL") == 0) {
		d->entry.url = value;
	} else if (*value || strcmp(key, "Password") == 0) {
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (strcmp(names[i].key, key) == 0)
				field = names[i].field;
		importread_field(d, arena_strdup(a, field), value, r->value.len);
	}
}

static void
end_entry(struct reading *r)
{
	const struct group *in = &r->group[r->ngroups - 1];
	r->draft.entry.removed = in->removed;
	r->draft.group = in->path;
	int rc = importread_end(&r->draft, &r->err);
	if (rc)
		stop(r, rc);
}

static void
end_group_name(struct reading *r)
{
	struct group *g = &r->group[r->ngroups - 1];
	const char *name = importread_trim(r->file->a, buf_str(&r->text));
	g->path = *g->path ? arena_printf(r->file->a, "%s/%s", g->path, name)
			   : arena_strdup(r->file->a, name);
}

static void
on_end(void *arg, const char *name)
{
	struct reading *r = arg;
	if (r->skipped) {
		r->skipped--;
		return;
	}
	switch (r->stack[r->depth--]) {
	case ELEMENT_BIN:
		buf_add(&r->bin, r->text.data, r->text.len);
		break;
	case ELEMENT_GROUP:
		r->ngroups--;
		break;
	case ELEMENT_GROUP_ID:
		if (r->bin.len && strcmp(buf_str(&r->bin), buf_str(&r->text)) == 0)
			r->group[r->ngroups - 1].removed = true;
		break;
	case ELEMENT_GROUP_NAME:
		end_group_name(r);
		break;
	case ELEMENT_KEY:
		buf_add(&r->key, r->text.data, r->text.len);
		break;
	case ELEMENT_VALUE:
		buf_add(&r->value, r->text.data, r->text.len);
		break;
	case ELEMENT_STRING:
		end_string(r);
		break;
	case ELEMENT_ENTRY:
		end_entry(r);
		break;
	case ELEMENT_LOST:
		if (r->has_something)
			importread_lost(r->file, name);
		r->has_something = false;
		break;
	default:
		break;
	}
	buf_reset(&r->text);
}

static void
on_text(void *arg, const char *text, int n)
{
	struct reading *r = arg;
	if (r->stack[r->depth] == ELEMENT_LOST) {
		for (int i = 0; i < n && !r->has_something; i++)
			r->has_something = !strchr(" \t\r\n", text[i]);
	} else if (!r->skipped) {
		buf_add(&r->text, text, (size_t)n);
	}
}

static void
on_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int internal)
{
	struct reading *r = arg;
	stop(r, err_set(&r->err, ERR_BAD_FIELD,
			"line %u: a document type is not accepted in an import", line_of(r)));
}

static int
parse(struct reading *r, const char *text, size_t n, struct err *e)
{
	enum XML_Status ok = XML_STATUS_OK;
	for (size_t at = 0; ok == XML_STATUS_OK && at < n; at += PIECE) {
		size_t piece = n - at < PIECE ? n - at : PIECE;
		ok = XML_Parse(r->parser, text + at, (int)piece, at + piece == n);
	}
	if (ok == XML_STATUS_OK)
		return 0;
	if (r->rc) {
		*e = r->err;
		return r->rc;
	}
	return err_set(e, ERR_BAD_FIELD, "line %u: the XML is damaged: %s", line_of(r),
		       XML_ErrorString(XML_GetErrorCode(r->parser)));
}

int
importread_xml(struct importfile *file, const char *text, size_t n, struct err *e)
{
	static const XML_Memory_Handling_Suite memory = { secret_malloc, secret_mrealloc,
							  secret_mfree };
	struct reading *r = arena_new_of(file->a, struct reading);
	r->file = file;
	r->parser = mem_have(XML_ParserCreate_MM("UTF-8", &memory, NULL));
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	int rc = parse(r, text, n, e);
	XML_ParserFree(r->parser);
	buf_done(&r->text);
	buf_done(&r->key);
	buf_done(&r->value);
	buf_done(&r->bin);
	return rc;
}
