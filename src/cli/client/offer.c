/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast offer, offers, accept, refuse: a resource goes to another owner, who takes it; and what others share with somebody by themselves, who accepts it.
 */
#include <string.h>
#include <strings.h>
#include "base/json_out.h"
#include "base/name.h"
#include "cli/frame/cli.h"
#include "cli/frame/lookup.h"
#include "cli/frame/paging.h"
#include "cli/frame/term.h"

#define OFFERS "/v1/offers"
#define OFFERS_TOLD 4 /* of one name */

/* "RESOURCE", "RESOURCE/LOGIN", or the name of a folder. */
static void
add_what(struct buf *out, const json_t *x)
{
	const json_t *account = json_object_get(x, "account"), *folder;

	folder = json_object_get(x, "folder");
	if (json_is_object(folder)) {
		lookup_add_name(out, folder, "name");
		return;
	}
	lookup_add_name(out, json_object_get(x, "resource"), "name");
	if (!json_is_object(account))
		return;
	buf_addc(out, '/');
	lookup_add_name(out, account, "login");
}

static bool
is_owners(const json_t *x)
{
	return json_is_true(json_object_get(x, "ownership"));
}

static void
add_offer(struct term_table *t, const json_t *x)
{
	const char *until = lookup_text(x, "until");
	auto_buf what = BUF_INIT, how = BUF_INIT;

	add_what(&what, x);
	buf_addf(&how, "%s: %s", lookup_text(x, "kind"),
		 is_owners(x) ? "to own" : lookup_text(x, "level"));
	if (*until)
		buf_addf(&how, " until %.16s UTC", until);
	term_table_row(t, buf_str(&what), buf_str(&how),
		       lookup_text(json_object_get(x, "from"), "name"));
}

static const struct paging list = { .array = "offers",
				    .cursor = "after",
				    .none = "nothing waits for your answer",
				    .row = add_offer,
				    .columns = 3,
				    .head = { "WHAT", "OFFERED", "FROM" } };

static int
run_offers(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	return rc ? rc : paging_print(c, r, &list, OFFERS, e);
}

/* What waits for an answer is found among what waits alone: of a resource that is offered nothing else may be seen, and what is shared is not looked up by name before. */
struct sought {
	struct lookup_words words;
	char id[37];
	const char *noun; /* as the API calls it */
	bool owners;	  /* ownership is offered */
	unsigned n;
	struct buf ids; /* of several */
};

static void
sought_done(struct sought *s)
{
	buf_done(&s->ids);
}

static bool
fits(struct lookup_words w, const json_t *x, const char *id)
{
	const json_t *account = json_object_get(x, "account");
	const json_t *folder = json_object_get(x, "folder");
	const json_t *named = json_is_object(folder) ? folder : json_object_get(x, "resource");

	if (!w.login && strcasecmp(id, w.first) == 0)
		return true;
	if (json_is_object(account))
		return lookup_reads(w, named, account);
	return !w.login &&
	       name_means(w.first, lookup_text(named, "name"), lookup_text(named, "id"));
}

static bool
take_offer(void *arg, json_t *x)
{
	static const char *const kinds[][2] = { { "account", "accounts" },
						{ "folder", "folders" },
						{ "resource", "resources" } };
	struct sought *s = arg;
	const char *kind = lookup_text(x, "kind");
	const char *id = lookup_text(json_object_get(x, kind), "id");

	if (!lookup_is_id(id) || !fits(s->words, x, id))
		return true;
	s->n++;
	s->owners = is_owners(x);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i][0], kind) == 0)
			s->noun = kinds[i][1];
	text_copy(s->id, sizeof(s->id), id);
	buf_addf(&s->ids, "%s%s (%s)", s->n > 1 ? ", " : "", id, kind);
	return s->n < OFFERS_TOLD;
}

static int
find_offer(struct remote *r, struct sought *s, struct err *e)
{
	int rc = paging_each(r, &list, OFFERS, take_offer, s, e);

	if (rc < 0)
		return rc;
	if (s->n > 1)
		return lookup_several(ERR_REFUSED, s->words.first, "offer", "write an id",
				      buf_str(&s->ids), e);
	if (s->n == 0 || !s->noun)
		return err_set(e, ERR_NOT_FOUND,
			       "nothing called \"%s\" waits for your answer; see `holdfast "
			       "offers`",
			       s->words.first);
	return 0;
}

static int
send_offer(struct remote *r, const char *method, const char *id, const char *more, const char *body,
	   struct err *e)
{
	auto_buf path = BUF_INIT;

	buf_addf(&path, "/v1/resources/%s/offer%s", id, more);
	return remote_call(r, REMOTE_WRITE, method, buf_str(&path), body, NULL, e);
}

static int
run_offer(const struct cli *c, struct err *e)
{
	FREE_WITH(lookup_thing_done) struct lookup_thing what = { 0 };
	bool withdraw = cli_has(c, "withdraw");
	auto_buf body = BUF_INIT;
	auto_remote r = NULL;
	struct json_out w;

	if (withdraw == (c->nargs == 2))
		return err_set(e, ERR_USAGE,
			       withdraw ? "with --withdraw the resource is named alone"
					: "name the user to whom it is offered too");
	int rc = remote_open(&r, e);
	if (rc == 0)
		rc = lookup_resource(r, c->args[0], &what, e);
	if (rc < 0)
		return rc;
	json_out_init(&w, &body);
	json_out_object(&w, NULL);
	if (!withdraw)
		json_out_text(&w, "user", c->args[1]);
	json_out_end_object(&w);
	rc = send_offer(r, withdraw ? "DELETE" : "POST", what.id, "",
			withdraw ? NULL : buf_str(&body), e);
	if (rc < 0)
		return rc;
	if (c->json)
		puts("{}");
	else
		puts(withdraw ? "it is not offered any more"
			      : "it is offered; you own it until they accept it");
	return CLI_GOOD;
}

/* A share is accepted under its thing, and given up as the caller's own. */
static int
send_share(struct remote *r, const struct sought *s, bool accept, struct err *e)
{
	auto_buf path = BUF_INIT;
	auto_json me = NULL;
	int rc = accept ? 0 : remote_call(r, REMOTE_READ, "GET", "/v1/session", NULL, &me, e);

	if (rc < 0)
		return rc;
	buf_addf(&path, "/v1/%s/%s/shares/", s->noun, s->id);
	if (accept)
		buf_adds(&path, "accept");
	else
		lookup_escape(&path, lookup_text(json_object_get(me, "user"), "id"));
	return remote_call(r, REMOTE_WRITE, accept ? "POST" : "DELETE", buf_str(&path), NULL, NULL,
			   e);
}

/* said: of ownership, and of a share. */
static int
answer(const struct cli *c, bool accept, const char *const said[2], struct err *e)
{
	FREE_WITH(sought_done) struct sought s = { .words = lookup_words(c, 0), .ids = BUF_INIT };
	auto_remote r = NULL;
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = find_offer(r, &s, e);
	if (rc == 0 && s.owners)
		rc = send_offer(r, accept ? "POST" : "DELETE", s.id, accept ? "/accept" : "", NULL,
				e);
	else if (rc == 0)
		rc = send_share(r, &s, accept, e);
	if (rc < 0)
		return rc;
	puts(c->json ? "{}" : said[s.owners ? 0 : 1]);
	return CLI_GOOD;
}

static int
run_accept(const struct cli *c, struct err *e)
{
	static const char *const said[] = { "you own it now", "you find it by its name now" };

	return answer(c, true, said, e);
}

static int
run_refuse(const struct cli *c, struct err *e)
{
	static const char *const said[] = { "it stays with its owner",
					    "it is no longer shared with you" };

	return answer(c, false, said, e);
}

static const struct cli_opt offer_opts[] = {
	{ "withdraw", NULL, "Offer it to nobody any more." },
	{ 0 },
};
static const struct cli_opt offers_opts[] = {
	PAGING_OPT_MOST("offers"),
	{ 0 },
};

const struct cli_verb verbs_offer[] = {
	{
		.name = "offer",
		.args = "RESOURCE USER | --withdraw RESOURCE",
		.min_args = 1,
		.max_args = 2,
		.opts = offer_opts,
		.run = run_offer,
		.help = "Offers a resource that you own to another owner.",
		.more = "It is theirs once they accept it (`holdfast accept RESOURCE`); until then "
			"it is yours. What was shared stays shared.",
		.part = CLI_SHARES,
	},
	{
		.name = "offers",
		.opts = offers_opts,
		.run = run_offers,
		.help = "Lists what waits for your answer: what others offer you, and share with "
			"you.",
		.more = "What somebody shares with you by yourself is in lists and searches at "
			"once, and is opened by its id; `holdfast get NAME` and the like find it "
			"once you accept it, so that nobody's share comes between you and a name "
			"of yours. What is shared with a team needs no answer.",
		.part = CLI_SHARES,
	},
	{
		.name = "accept",
		.args = "RESOURCE | RESOURCE/LOGIN | FOLDER",
		.min_args = 1,
		.max_args = 2,
		.run = run_accept,
		.help = "Accepts what waits for your answer: you own it then, or find it by name.",
		.more = "As `holdfast offers` lists it, or by its id.",
		.part = CLI_SHARES,
	},
	{
		.name = "refuse",
		.args = "RESOURCE | RESOURCE/LOGIN | FOLDER",
		.min_args = 1,
		.max_args = 2,
		.run = run_refuse,
		.help = "Refuses what is offered to you, or gives up what is shared with you.",
		.more = "As `holdfast offers` lists it, or by its id. What you accepted before you "
			"give up with `holdfast unshare RESOURCE/LOGIN YOUR-NAME`.",
		.part = CLI_SHARES,
	},
	{ 0 },
};
