/* SPDX-License-Identifier: Apache-2.0
 *
 * Five steps: read the file (a thread of the pool), plan (judge every line before anything else
 * happens), lock whatever exists and is touched and plan again, seal (many fibers, so that keyd
 * always has work), append (one unit, ordered by kind so that one statement applies each kind). The
 * last event of the unit carries the import's id and its counts: by it the import is found
 * afterwards.
 */
#include "vault/import.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "base/mem.h"
#include "ledger/event_body.h"
#include "vault/account.h"
#include "vault/importformat.h"
#include "vault/importplan.h"
#include "vault/resource.h"

#define SEALERS 16
#define TRIES 5 /* when the vault changes under the plan */

/* Imports of one id follow each other; who wants one stopped says so here. */
struct import_running {
	struct import_running *next;
	struct uuid id, user;
	unsigned users; /* inside and waiting */
	struct fiber_gate gate;
	bool stop;
};

struct counts {
	int64_t entries, resources, fate[IMPORTPLAN_FATES_N];
};

/* What a line is sealed into. */
struct sealed {
	struct buf resource, account, version;
};

struct import {
	struct call *c;
	const struct import_request *rq;
	struct import_running *running; /* NULL: a dry run */
	struct importfile file;
	struct importplan plan;
	struct counts counts;
	struct sealed *sealed; /* one per line; n of plan */
	/* what is touched, held */
	const struct uuid *touched;
	struct record_lock **lock;
	size_t nlocks;
	/* sealing */
	size_t next;
	unsigned sealers;
	struct fiber *waiting;
	int rc;
	struct err err;
};

int
import_duplicates_parse(const char *name, enum import_duplicates *ret, struct err *e)
{
	static const char *const names[] = {
		[IMPORT_SKIP] = "skip", [IMPORT_UPDATE] = "update", [IMPORT_NEW] = "new"
	};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = (enum import_duplicates)i;
			return 0;
		}
	}
	return err_set(e, ERR_BAD_FIELD, "duplicates: skip, update or new");
}

int
import_format_check(const char *name, struct err *e)
{
	auto_buf known = BUF_INIT;
	size_t n;
	const struct importformat *all = importformat_all(&n);
	if (importformat_find(name))
		return 0;
	for (size_t i = 0; i < n; i++)
		buf_addf(&known, "%s%s", i ? ", " : "", all[i].name);
	return err_set(e, ERR_BAD_FIELD, "format: one of %s", buf_str(&known));
}

/* ---- read ---- */

struct reading {
	uv_work_t work;
	struct import *im;
	struct fiber *f;
	bool done;
	int rc;
	struct err e;
};

static void
on_read(uv_work_t *w)
{
	struct reading *r = w->data;
	const struct import_request *rq = r->im->rq;
	r->rc = importfile_read(r->im->c->a, rq->text, rq->n, rq->format, &r->im->file, &r->e);
}

static void
on_was_read(uv_work_t *w, int status)
{
	struct reading *r = w->data;
	r->done = true;
	fiber_wake(r->f);
}

/* On a thread, because a large file takes a while; the arena is that thread's meanwhile. */
static int
read_file(struct import *im, struct err *e)
{
	struct reading r = { .im = im, .f = im->c->f };
	r.work.data = &r;
	if (im->rq->n > IMPORT_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the file is larger than 32 MiB");
	mem_check(!uv_queue_work(im->c->v->loop, &r.work, on_read, on_was_read));
	while (!r.done)
		fiber_sleep(im->c->f);
	if (r.rc && e)
		*e = r.e;
	return r.rc;
}

/* ---- plan ---- */

static bool
comes(const struct importplan_line *l)
{
	return l->fate == IMPORTPLAN_NEW || l->fate == IMPORTPLAN_UPDATED;
}

static void
count(struct import *im)
{
	struct counts counts = { .entries = (int64_t)im->plan.n };
	for (size_t i = 0; i < im->plan.n; i++) {
		counts.fate[im->plan.line[i].fate]++;
		counts.resources += im->plan.line[i].brings_resource;
	}
	im->counts = counts;
}

static void
leave_gates(struct import *im)
{
	for (size_t i = im->nlocks; i > 0; i--)
		record_lock_release(im->lock[i - 1]);
	im->nlocks = 0;
}

static void
enter_gates(struct import *im, const struct uuid *ids, size_t n)
{
	struct call *c = im->c;
	leave_gates(im);
	im->touched = ids;
	im->lock = arena_alloc(c->a, (n + 1) * sizeof(struct record_lock *));
	for (; im->nlocks < n; im->nlocks++)
		im->lock[im->nlocks] = record_lock_take(c->v->record_locks, c->f, &ids[im->nlocks]);
}

static bool
holds(const struct import *im, const struct uuid *ids, size_t n)
{
	return n == im->nlocks && (n == 0 || memcmp(ids, im->touched, n * sizeof(*ids)) == 0);
}

static int
plan(struct import *im, struct err *e)
{
	int rc = importplan_make(im->c, &im->file, im->rq->duplicates, &im->plan, e);
	if (rc)
		return rc;
	count(im);
	for (size_t i = 0; im->rq->all_or_nothing && i < im->plan.n; i++) {
		const struct importplan_line *l = &im->plan.line[i];
		if (l->fate == IMPORTPLAN_REFUSED)
			return err_set(e, ERR_BAD_FIELD, "line %u: %s; nothing is stored",
				       l->entry->line, l->why);
	}
	return 0;
}

/* What is there and touched is held, so that what was planned with it is still so when it is
 * stored. */
static int
plan_and_hold(struct import *im, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		size_t n;
		int rc = plan(im, e);
		if (rc)
			return rc;
		const struct uuid *ids = importplan_touches(im->c, &im->plan, &n);
		if (holds(im, ids, n))
			return 0;
		enter_gates(im, ids, n);
	}
	return err_set(e, ERR_CONFLICT, "what is there changes all the time; nothing is stored");
}

/* ---- seal ---- */

/* The fields of the version before that the file does not speak of stay. old: JSON of a version. */
static struct account_fields
lay_over(struct call *c, const struct account_fields *new, const json_t *old)
{
	struct account_fields all = { 0 };
	struct account_field *f = arena_alloc(c->a, (new->n + json_object_size(old) + 1) *
							    sizeof(struct account_field));
	const char *name;
	json_t *value;
	json_object_foreach(UNCONST(json_t *, old), name, value)
	{
		const struct account_field *now = NULL;
		for (size_t i = 0; i < new->n; i++)
			if (strcmp(new->field[i].name, name) == 0)
				now = &new->field[i];
		f[all.n++] = now ? *now
				 : (struct account_field){
					   arena_strdup(c->a, name),
					   arena_strndup(c->a, json_string_value(value),
							 json_string_length(value)),
					   json_string_length(value),
				   };
	}
	for (size_t i = 0; i < new->n; i++)
		if (!json_object_get(old, new->field[i].name))
			f[all.n++] = new->field[i];
	all.field = f;
	return all;
}

static bool
same_fields(const struct account_fields *f, const json_t *old)
{
	if (f->n != json_object_size(old))
		return false;
	for (size_t i = 0; i < f->n; i++) {
		const json_t *v = json_object_get(old, f->field[i].name);
		if (!v || json_string_length(v) != f->field[i].value_len ||
		    memcmp(json_string_value(v), f->field[i].value, f->field[i].value_len) != 0)
			return false;
	}
	return true;
}

static json_t *
json_of(const struct account_fields *f)
{
	json_t *o = json_object();
	for (size_t i = 0; i < f->n; i++)
		json_object_set_new(o, f->field[i].name,
				    json_stringn(f->field[i].value, f->field[i].value_len));
	return o;
}

/* The versions of one account that the file has, each upon the one before. *old: the fields of the
 * version before; NULL: none. */
static int
seal_version(struct import *im, struct call *c, struct importplan_line *l,
	     struct account_base *base, json_t **old, struct err *e)
{
	struct account_fields fields = importplan_fields(c, &im->plan, l);
	struct sealed *s = &im->sealed[l - im->plan.line];
	struct uuid version;
	if (*old)
		fields = lay_over(c, &fields, *old);
	if (*old && same_fields(&fields, *old)) {
		l->fate = IMPORTPLAN_UNCHANGED;
		return 0;
	}
	int rc = account_version_body(c, &l->account_id, &fields, base, &version, &s->version, e);
	if (rc)
		return rc;
	*base = (struct account_base){ .n = base->n + 1, .based_on = base->n, .upon = version };
	if (l->next) {
		json_decref(*old);
		*old = json_of(&fields);
	}
	return 0;
}

static int
read_current(struct call *c, const struct importplan_line *l, struct account_base *ret,
	     json_t **ret_fields, struct err *e)
{
	auto_buf text = BUF_INIT;
	int rc = account_current(c, &l->account_id, ret, &text, e);
	if (rc == 0 && text.len) {
		*ret_fields = json_loadb(text.data, text.len, 0, NULL);
		if (!*ret_fields)
			rc = err_set(e, ERR_INTERNAL, "what is stored for %s is no JSON",
				     l->resource);
	}
	return rc;
}

/* l: the first line of its account. */
static int
seal_account(struct import *im, struct fiber *f, struct importplan_line *l, struct err *e)
{
	const struct resource_texts texts = {
		.name = l->resource,
		.url = l->entry->url,
		.type = *l->entry->type ? l->entry->type : NULL,
		.address = *l->entry->address ? l->entry->address : NULL,
	};
	struct account_base base = { .n = 1 };
	struct sealed *s = &im->sealed[l - im->plan.line];
	struct call mine = *im->c;
	json_t *old = NULL;
	int rc = 0;
	mine.f = f;
	if (l->brings_resource)
		resource_created_body(&s->resource, &texts, &im->c->who.user);
	if (l->has_account)
		rc = read_current(&mine, l, &base, &old, e);
	else
		account_created_body(&s->account, &l->resource_id, l->entry->login,
				     l->entry->description);
	for (; l && rc == 0; l = l->next)
		rc = seal_version(im, &mine, l, &base, &old, e);
	json_decref(old);
	return rc;
}

static void
seal_some(struct import *im, struct fiber *f)
{
	while (im->rc == 0 && im->next < im->plan.n) {
		struct err e = { 0 };
		size_t i = im->next++;
		struct importplan_line *l = &im->plan.line[i];
		bool heads = comes(l) && l->pair == i;
		int rc = heads ? seal_account(im, f, l, &e) : 0;
		if (rc)
			err_prefix(&e, "line %u: ", l->entry->line);
		if (rc == 0 && im->running->stop)
			rc = err_set(&e, ERR_CONFLICT,
				     "this import was stopped; nothing is stored");
		if (rc && im->rc == 0) {
			im->rc = rc;
			im->err = e;
		}
	}
}

static void
sealer(struct fiber *f, void *arg)
{
	struct import *im = arg;
	seal_some(im, f);
	if (--im->sealers == 0 && im->waiting)
		fiber_wake(im->waiting);
}

/* The call's own fiber seals too, so that it works when no other can be had; then it waits for the
 * rest. */
static int
seal_all(struct import *im, struct err *e)
{
	im->sealed = arena_alloc(im->c->a, (im->plan.n + 1) * sizeof(*im->sealed));
	for (int i = 1; i < SEALERS; i++) {
		im->sealers++;
		if (!fiber_start(im->c->v->fibers, sealer, im)) {
			im->sealers--;
			break;
		}
	}
	seal_some(im, im->c->f);
	if (im->sealers > 0) {
		im->waiting = im->c->f;
		fiber_sleep(im->c->f);
	}
	if (im->rc && e)
		*e = im->err;
	return im->rc;
}

static void
drop_sealed(struct import *im)
{
	for (size_t i = 0; im->sealed && i < im->plan.n; i++) {
		buf_done(&im->sealed[i].resource);
		buf_done(&im->sealed[i].account);
		buf_done(&im->sealed[i].version);
	}
	im->sealed = NULL;
}

/* ---- what is told ---- */

/* The numbers that the event keeps and every reply has. */
static int64_t *
number(struct counts *c, size_t i, const char **ret_name)
{
	const struct {
		const char *name;
		int64_t *value;
	} numbers[] = {
		{ "entries", &c->entries },
		{ "resources", &c->resources },
#define X(NAME, name) { #name, &c->fate[IMPORTPLAN_##NAME] },
		IMPORTPLAN_FATES(X)
#undef X
	};
	if (i >= ARRAY_LEN(numbers))
		return NULL;
	*ret_name = numbers[i].name;
	return numbers[i].value;
}

static void
write_numbers(struct json_out *w, struct counts *c)
{
	const char *name;
	for (size_t i = 0; number(c, i, &name); i++)
		json_out_int(w, name, *number(c, i, &name));
}

static const char *
fate_name(enum importplan_fate fate)
{
	static const char *const names[] = { "new",	"updated", "unchanged",
					     "skipped", "refused", "left_out" };
	return names[fate];
}

static void
write_line(struct json_out *w, const struct importplan_line *l)
{
	json_out_object(w, NULL);
	json_out_int(w, "line", l->entry->line);
	json_out_text(w, "fate", fate_name(l->fate));
	json_out_text(w, "resource", l->resource);
	json_out_text(w, "login", l->entry->login);
	json_out_text(w, "why", l->why);
	json_out_end_object(w);
}

static bool
worth_telling(const struct importplan_line *l)
{
	return l->why || l->fate != IMPORTPLAN_NEW;
}

/* Those of which there is something to say; a dry run tells of all as far as there is room. */
static void
write_lines(struct json_out *w, const struct import *im)
{
	size_t room = IMPORT_LINES_MAX, told = 0, all = 0;
	for (size_t i = 0; i < im->plan.n; i++)
		all += im->rq->dry_run || worth_telling(&im->plan.line[i]);
	for (size_t i = 0; i < im->plan.n; i++)
		if (worth_telling(&im->plan.line[i]) && room)
			room--;
	json_out_array(w, "lines");
	for (size_t i = 0; i < im->plan.n && told < IMPORT_LINES_MAX; i++) {
		const struct importplan_line *l = &im->plan.line[i];
		if (!worth_telling(l) && (!im->rq->dry_run || room == 0))
			continue;
		if (!worth_telling(l))
			room--;
		write_line(w, l);
		told++;
	}
	json_out_end_array(w);
	json_out_int(w, "lines_left_off", (int64_t)(all - told));
}

static void
write_report(struct json_out *w, struct import *im, const char *state)
{
	json_out_object(w, NULL);
	json_out_uuid(w, "id", &im->rq->id);
	json_out_text(w, "state", state);
	json_out_bool(w, "dry_run", im->rq->dry_run);
	json_out_text(w, "format", im->file.format->name);
	json_out_text(w, "format_title", im->file.format->title);
	write_numbers(w, &im->counts);
	json_out_array(w, "lost");
	for (size_t i = 0; i < im->file.nlost; i++) {
		json_out_object(w, NULL);
		json_out_text(w, "name", im->file.lost[i].name);
		json_out_int(w, "values", im->file.lost[i].values);
		json_out_end_object(w);
	}
	json_out_end_array(w);
	write_lines(w, im);
	json_out_end_object(w);
}

/* ---- append ---- */

static void
summary_body(struct counts *counts, const char *format, bool stopped, struct buf *out)
{
	struct json_out w;
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	write_numbers(&w, counts);
	if (format)
		json_out_text(&w, "format", format);
	if (stopped)
		json_out_bool(&w, "stopped", true);
	json_out_end_object(&w);
}

static int
append_all(struct import *im, struct err *e)
{
	static const struct {
		enum event_kind kind;
		size_t body;
		bool of_resource;
	} kinds[] = {
		{ EVENT_RESOURCE_CREATED, offsetof(struct sealed, resource), true },
		{ EVENT_ACCOUNT_CREATED, offsetof(struct sealed, account), false },
		{ EVENT_VERSION_ADDED, offsetof(struct sealed, version), false },
	};
	auto_buf summary = BUF_INIT;
	struct call *c = im->c;
	size_t n = 0;
	struct event *ev = arena_alloc(c->a, (3 * im->plan.n + 1) * sizeof(*ev));
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t i = 0; i < im->plan.n; i++) {
			const struct importplan_line *l = &im->plan.line[i];
			const struct buf *body =
				(const void *)((const char *)&im->sealed[i] + kinds[k].body);
			if (body->len)
				ev[n++] = policy_event(c, kinds[k].kind,
						       kinds[k].of_resource ? &l->resource_id
									    : &l->account_id,
						       buf_str(body));
		}
	}
	summary_body(&im->counts, im->file.format->name, false, &summary);
	ev[n++] = policy_event(c, EVENT_IMPORTED, &im->rq->id, buf_str(&summary));
	return policy_append(c, ev, n, e);
}

/* ---- one import at a time under an id ---- */

static struct import_running *
enter(struct call *c, const struct uuid *id)
{
	struct import_running *r = c->v->imports;
	while (r && !(uuid_eq(&r->id, id) && uuid_eq(&r->user, &c->who.user)))
		r = r->next;
	if (!r) {
		r = mem_new(sizeof(*r));
		r->id = *id;
		r->user = c->who.user;
		r->next = c->v->imports;
		c->v->imports = r;
	}
	r->users++;
	return r;
}

static void
leave(struct call *c, struct import_running *r)
{
	struct import_running **p = &c->v->imports;
	if (--r->users)
		return;
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	free(r);
}

/* ---- what became of it ---- */

/* *ret_found: there is an event of it. */
static int
find(struct call *c, const struct uuid *id, struct counts *ret, bool *ret_found, bool *ret_stopped,
     const char **ret_format, struct err *e)
{
	auto_binds b = BINDS_INIT;
	auto_rows r = NULL;
	const char *name;
	bind_uuid(&b, id);
	bind_uuid(&b, &c->who.user);
	int rc = db_exec(vault_reader(c->v), c->f, STMT_IMPORT_FIND, &b, &r, e);
	*ret_found = rc == 0 && rows_count(r);
	if (!*ret_found)
		return rc;
	const char *body = row_text(r, 0, COL_IMPORT_FIND_BODY);
	for (size_t i = 0; number(ret, i, &name); i++) {
		auto_buf value = BUF_INIT;
		/* An older release counted less. */
		if (event_body_get(body, name, &value) == 0)
			*number(ret, i, &name) = strtoll(buf_str(&value), NULL, 10);
	}
	auto_buf format = BUF_INIT, stopped = BUF_INIT;
	*ret_stopped = event_body_get(body, "stopped", &stopped) == 0;
	*ret_format = event_body_get(body, "format", &format) == 0
			      ? arena_strdup(c->a, buf_str(&format))
			      : NULL;
	return 0;
}

static void
write_outcome(struct json_out *out, const struct uuid *id, const char *state, struct counts *counts,
	      const char *format)
{
	json_out_object(out, NULL);
	json_out_uuid(out, "id", id);
	json_out_text(out, "state", state);
	json_out_bool(out, "dry_run", false);
	if (format)
		json_out_text(out, "format", format);
	write_numbers(out, counts);
	json_out_end_object(out);
}

int
import_outcome(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct counts counts = { 0 };
	const char *format = NULL;
	bool found = false, stopped = false, running = false;
	/* Before the log is asked: what ends meanwhile is in one of the two. */
	for (const struct import_running *r = c->v->imports; r; r = r->next)
		running |= uuid_eq(&r->id, id) && uuid_eq(&r->user, &c->who.user);
	int rc = find(c, id, &counts, &found, &stopped, &format, e);
	if (rc)
		return rc;
	write_outcome(out, id,
		      stopped	? "stopped"
		      : found	? "stored"
		      : running ? "running"
				: "unknown",
		      &counts, format);
	return 0;
}

static int
stop_inside(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct counts counts = { 0 };
	const char *format = NULL;
	bool found = false, stopped = false;
	auto_buf body = BUF_INIT;
	int rc = find(c, id, &counts, &found, &stopped, &format, e);
	if (rc == 0 && !found) {
		summary_body(&counts, NULL, true, &body);
		rc = vault_append(c, EVENT_IMPORTED, id, buf_str(&body), e);
		stopped = true;
	}
	if (rc == 0)
		write_outcome(out, id, stopped ? "stopped" : "stored", &counts, format);
	return rc;
}

int
import_stop(struct call *c, const struct uuid *id, struct json_out *out, struct err *e)
{
	struct import_running *r = enter(c, id);
	r->stop = true;
	fiber_gate_enter(&r->gate, c->f);
	int rc = stop_inside(c, id, out, e);
	r->stop = false;
	fiber_gate_leave(&r->gate);
	leave(c, r);
	return rc;
}

/* ---- the whole ---- */

static int
store(struct import *im, struct err *e)
{
	int rc = plan_and_hold(im, e);
	if (rc == 0)
		rc = seal_all(im, e);
	if (rc == 0) {
		count(im); /* what is unchanged is known now */
		rc = append_all(im, e);
	}
	drop_sealed(im);
	return rc;
}

/* A name or a right that was given away between plan and log is seen by planning once more. */
static int
store_surely(struct import *im, struct err *e)
{
	int rc = 0;
	for (int i = 0; i < TRIES; i++) {
		im->next = 0;
		im->rc = 0;
		im->waiting = NULL;
		rc = store(im, e);
		leave_gates(im);
		if (im->running->stop ||
		    (rc != ERR_CONFLICT && rc != ERR_FORBIDDEN && rc != ERR_NOT_FOUND))
			break;
	}
	return rc;
}

static int
run_inside(struct import *im, struct json_out *out, struct err *e)
{
	struct call *c = im->c;
	const char *format = NULL;
	bool found = false, stopped = false;
	int rc = find(c, &im->rq->id, &im->counts, &found, &stopped, &format, e);
	if (rc)
		return rc;
	if (stopped || im->running->stop)
		return err_set(e, ERR_CONFLICT, "this import was stopped; nothing is stored");
	if (found) {
		write_outcome(out, &im->rq->id, "stored", &im->counts, format);
		return 0;
	}
	rc = read_file(im, e);
	if (rc == 0)
		rc = store_surely(im, e);
	if (rc == 0)
		write_report(out, im, "stored");
	return rc;
}

static int
run_dry(struct import *im, struct json_out *out, struct err *e)
{
	int rc = read_file(im, e);
	if (rc == 0)
		rc = plan(im, e);
	if (rc == 0)
		write_report(out, im, "planned");
	return rc;
}

int
import_run(struct call *c, const struct import_request *rq, struct json_out *out, struct err *e)
{
	struct import_request mine = *rq;
	struct import *im = arena_new_of(c->a, struct import);
	int rc;
	im->c = c;
	im->rq = &mine;
	if (rq->dry_run) {
		rc = run_dry(im, out, e);
	} else {
		if (uuid_is_nil(&mine.id))
			uuid_new(&mine.id);
		im->running = enter(c, &mine.id);
		fiber_gate_enter(&im->running->gate, c->f);
		rc = run_inside(im, out, e);
		fiber_gate_leave(&im->running->gate);
		leave(c, im->running);
	}
	importfile_done(&im->file);
	return rc;
}
