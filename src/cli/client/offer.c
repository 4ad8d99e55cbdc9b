/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast offer, offers, accept, refuse: a resource goes to another owner, who takes it.
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

static void
add_offer(struct term_table *t, const json_t *x)
{
	auto_buf name = BUF_INIT;

	lookup_add_name(&name, json_object_get(x, "resource"), "name");
	term_table_row(t, buf_str(&name), lookup_text(json_object_get(x, "from"), "name"));
}

static const struct paging list = { .array = "offers",
				    .cursor = "after",
				    .none = "nothing is offered to you",
				    .row = add_offer,
				    .columns = 2,
				    .head = { "RESOURCE", "FROM" } };

static int
run_offers(const struct cli *c, struct err *e)
{
	auto_remote r = NULL;
	int rc = paging_open(c, &list, &r, e);

	return rc ? rc : paging_print(c, r, &list, OFFERS, e);
}

/* What was offered is found among the offers alone: the resource itself may be hidden from whoever accepts it. */
struct sought {
	const char *word;
	char id[37];
	unsigned n;
};

static bool
take_offer(void *arg, json_t *x)
{
	struct sought *s = arg;
	const json_t *resource = json_object_get(x, "resource");
	const char *id = lookup_text(resource, "id");

	if (strcasecmp(id, s->word) != 0 && !name_means(s->word, lookup_text(resource, "name"), id))
		return true;
	s->n++;
	text_copy(s->id, sizeof(s->id), id);
	return s->n < 2;
}

static int
find_offer(struct remote *r, const char *word, char id[static 37], struct err *e)
{
	struct sought s = { .word = word };
	int rc = paging_each(r, &list, OFFERS, take_offer, &s, e);

	if (rc < 0)
		return rc;
	if (s.n > 1)
		return err_set(e, ERR_REFUSED,
			       "several resources called \"%s\" are offered to you: write the "
			       "suffix that `holdfast offers` shows too",
			       word);
	if (s.n == 0)
		return err_set(e, ERR_NOT_FOUND,
			       "no resource \"%s\" is offered to you; see `holdfast offers`", word);
	memcpy(id, s.id, sizeof(s.id));
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

static int
answer(const struct cli *c, const char *method, const char *more, const char *said, struct err *e)
{
	auto_remote r = NULL;
	char id[37];
	int rc = remote_open(&r, e);

	if (rc == 0)
		rc = find_offer(r, c->args[0], id, e);
	if (rc == 0)
		rc = send_offer(r, method, id, more, NULL, e);
	if (rc < 0)
		return rc;
	puts(c->json ? "{}" : said);
	return CLI_GOOD;
}

static int
run_accept(const struct cli *c, struct err *e)
{
	return answer(c, "POST", "/accept", "you own it now", e);
}

static int
run_refuse(const struct cli *c, struct err *e)
{
	return answer(c, "DELETE", "", "it stays with its owner", e);
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
		.help = "Lists the resources that others offer to you.",
		.part = CLI_SHARES,
	},
	{
		.name = "accept",
		.args = "RESOURCE",
		.min_args = 1,
		.max_args = 1,
		.run = run_accept,
		.help = "Takes a resource that is offered to you: you own it then.",
		.part = CLI_SHARES,
	},
	{
		.name = "refuse",
		.args = "RESOURCE",
		.min_args = 1,
		.max_args = 1,
		.run = run_refuse,
		.help = "Refuses a resource that is offered to you.",
		.part = CLI_SHARES,
	},
	{ 0 },
};
