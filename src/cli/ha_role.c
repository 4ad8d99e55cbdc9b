/* SPDX-License-Identifier: Apache-2.0
 *
 * holdfast ha promote, switchover, rejoin: orders to this node's agent, followed on the state page until they are done. Who
 * interrupts stops the watching only; the node goes on.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/jw.h"
#include "base/page.h"
#include "cli/cli.h"
#include "cli/term.h"
#include "ha/control.h"

#define POLL_MS 50
#define TAKEN_MS 10000	/* an order shows within this */
#define QUIET_MS 120000 /* an agent that was not heard for so long is gone */

/* What an order leads to. */
struct goal {
	const char *verb;
	unsigned through; /* states that belong to it, as bits: it is under way */
	unsigned good, bad;
	const char *done;
};

#define BIT(s) (1u << HA_##s)

static const struct goal promotion = {
	"promote",
	BIT(PROMOTING),
	BIT(ALONE) | BIT(SYNCED) | BIT(SINGLE),
	BIT(EMERGENCY) | BIT(STANDBY) | BIT(FENCED),
	"this node is the primary now",
};
static const struct goal switchover = {
	"switchover", BIT(HANDING) | BIT(FENCED),     BIT(STANDBY) | BIT(MERGING) | BIT(EMERGENCY),
	BIT(ALONE),   "this node is a secondary now",
};
static const struct goal rejoining = {
	"rejoin",
	BIT(RESEED),
	BIT(STANDBY),
	BIT(EMERGENCY),
	"this node is a copy of the primary again",
};

static int
read_page(const struct home *h, struct page_view *ret, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct page *p;

	home_path(h, HOME_STATE, path);
	int rc = page_open(path, &p, e);
	if (rc)
		return rc;
	page_read(p, ret);
	page_free(p);
	return 0;
}

static int
send_order(const struct home *h, const char *verb, const char *node, struct err *e)
{
	auto_buf request = BUF_INIT, path = BUF_INIT;
	struct jw w;

	jw_init(&w, &request);
	jw_object(&w, NULL);
	jw_text(&w, "verb", verb);
	jw_text(&w, "node", node);
	jw_end_object(&w);
	return control_ask(h, buf_str(&request), NULL, NULL, &path, e);
}

static void
show(const struct cli *c, const struct page_view *v, char shown[static PAGE_REASON_MAX])
{
	if (strcmp(shown, v->reason) == 0)
		return;
	snprintf(shown, PAGE_REASON_MAX, "%s", v->reason);
	fprintf(stderr, c->err_tty ? "\r\033[K%s: %s" : "%s: %s\n", state_name(v->state),
		v->reason);
	fflush(stderr);
}

/* Until one of the goal's states comes after one of those it goes through. */
static int
follow(const struct cli *c, const struct home *h, const struct goal *g, struct page_view *v,
       struct err *e)
{
	char shown[PAGE_REASON_MAX] = "";
	int64_t began = clock_mono_ms(), heard = began;
	bool under_way = false;

	for (;; clock_sleep_ms(POLL_MS)) {
		int64_t now = clock_mono_ms();

		if (read_page(h, v, e) == 0 && now - v->beat_mono_ms < 1000) {
			unsigned bit = 1u << v->state;

			heard = now;
			under_way |= (g->through & bit) != 0;
			if (under_way)
				show(c, v, shown);
			if (under_way && (g->good & bit))
				return 0;
			if (under_way && (g->bad & bit))
				return err_set(e, ERR_REFUSED, "it did not come to that: %s",
					       v->reason);
			if (!under_way && now - began > TAKEN_MS)
				return err_set(
					e, ERR_TIMEOUT,
					"the node took the order, but does not act on it; its "
					"log says why");
		} else if (now - heard > QUIET_MS) {
			return err_set(e, ERR_UNREACHABLE,
				       "the node's agent has not been heard for %d s; its log says "
				       "why",
				       QUIET_MS / 1000);
		}
	}
}

static int
carry_out(const struct cli *c, const struct home *h, const struct goal *g, const char *node,
	  struct err *e)
{
	int64_t began = clock_mono_ms();
	struct page_view *v = calloc(1, sizeof(*v));
	auto_buf out = BUF_INIT;
	struct jw w;

	if (!v)
		abort();
	int rc = send_order(h, g->verb, node, e);
	if (rc == 0)
		rc = follow(c, h, g, v, e);
	if (c->err_tty)
		fprintf(stderr, "\r\033[K");
	int64_t ms = clock_mono_ms() - began;
	if (rc == 0 && c->json) {
		jw_init(&w, &out);
		jw_object(&w, NULL);
		jw_text(&w, "state", state_name(v->state));
		jw_int(&w, "term", v->term);
		jw_int(&w, "milliseconds", ms);
		jw_end_object(&w);
		printf("%s\n", buf_str(&out));
	} else if (rc == 0) {
		printf("%s (%.1f s)\n", g->done, (double)ms / 1000);
	}
	free(v);
	return rc == 0 ? CLI_GOOD : rc;
}

/* ---- promote ---- */

static void
tell_what_is_known(const struct page_view *v)
{
	char at[CLOCK_ISO_LEN] = "unknown";

	if (v->as_of_us)
		clock_iso(v->as_of_us, at);
	fprintf(stderr,
		"This node is %s: %s.\n"
		"  primary so far                %s\n"
		"  everything is here as of      %s\n"
		"  events made here since        %lld\n"
		"What the primary took in after that moment is not lost: it is saved and merged "
		"when that "
		"node is back,\nand until then it is missing here. If the primary still serves "
		"others, "
		"both take changes until they meet.\n",
		state_name(v->state), v->reason, v->primary_url[0] ? v->primary_url : "unknown", at,
		(long long)v->journal_rows);
}

static int
confirm(const struct cli *c, const struct home *h, struct err *e)
{
	char answer[16] = "";
	struct page_view *v;

	if (cli_has(c, "yes"))
		return 0;
	v = calloc(1, sizeof(*v));
	if (!v)
		abort();
	int rc = read_page(h, v, e);
	if (rc == 0)
		tell_what_is_known(v);
	free(v);
	if (rc)
		return err_set(e, ERR_UNREACHABLE,
			       "the node does not run here: start it with `holdfast serve`, then "
			       "repeat");
	fprintf(stderr, "Make this node the primary? Type yes: ");
	if (!fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0)
		return err_set(e, ERR_REFUSED, "nothing was done (without a terminal give --yes)");
	return 0;
}

static int
run_promote(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	if (rc == 0)
		rc = confirm(c, &h, e);
	return rc < 0 ? rc : carry_out(c, &h, &promotion, "", e);
}

static const struct cli_opt promote_opts[] = {
	CLI_OPT_HOME,
	{ "yes", NULL, "Do not ask." },
	{ 0 },
};

const struct cli_verb verb_ha_promote = {
	"ha promote",
	"",
	0,
	0,
	promote_opts,
	run_promote,
	"Makes this secondary the primary, for good: when the old one is lost.",
	"Refused while the primary serves. The other secondaries follow by themselves; so does the "
	"old "
	"primary when it is back, and what only it had is merged.",
	CLI_NODE
};

/* ---- switchover ---- */

static int
run_switchover(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	return rc < 0 ? rc : carry_out(c, &h, &switchover, c->nargs ? c->args[0] : "", e);
}

static const struct cli_opt home_opts[] = {
	CLI_OPT_HOME,
	{ 0 },
};

const struct cli_verb verb_ha_switchover = {
	"ha switchover",
	"[NODE]",
	0,
	1,
	home_opts,
	run_switchover,
	"Changes places with a secondary that is in step: no read fails, no write is lost.",
	"On the primary. NODE is the secondary's name; it may be left out when there is only one.",
	CLI_NODE
};

/* ---- rejoin ---- */

static int
run_rejoin(const struct cli *c, struct err *e)
{
	struct home h;
	int rc = cli_home(c, &h, e);

	return rc < 0 ? rc : carry_out(c, &h, &rejoining, "", e);
}

const struct cli_verb verb_ha_rejoin = { "ha rejoin",
					 "",
					 0,
					 0,
					 home_opts,
					 run_rejoin,
					 "Copies the primary's database to this secondary anew.",
					 "A node does this by itself when it has to. What only "
					 "this node has is saved before, and merged.",
					 CLI_NODE };
