/* SPDX-License-Identifier: Apache-2.0
 *
 * model: searches, prints what is broken and a table; or breaks the product itself and sees that it is found.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/proc.h"
#include "ha/fsm.h"
#include "test/model/model.h"

static const char usage[] =
	"model: what the product's agents make of everything that can befall a pair\n"
	"\n"
	"  model [--nodes N] [--acts K] …\n"
	"\n"
	"  --nodes N      2 or 3 (2)\n"
	"  --acts K       paths of so many acts (3)\n"
	"  --middle K     of the first K acts the middle, too (1)\n"
	"  --few          only crashes, starts, cuts, promotions and switchovers\n"
	"  --seconds S    ends then, wherever it is\n"
	"  --megabytes M  ends when the states take so much\n"
	"  --show N       so many paths of each invariant (3)\n"
	"  --states       with the world at the end of each\n"
	"  --json         one JSON object in place of the table; no paths\n"
	"  --self-test    leaves out one rule of the state table after the other, and breaks what "
	"the agents rely on,\n"
	"                 and fails where that is not found\n"
	"\n"
	"Exit code 1 when an invariant is broken in a way that is not known, 2 for wrong usage.\n";

/* ---- what came of it ---- */

static void
print_table(const struct search_options *o, const struct result *r)
{
	printf("%u nodes, %u acts: %llu states, %llu transitions%s\n", o->nodes, o->acts,
	       (unsigned long long)r->states, (unsigned long long)r->transitions,
	       r->whole ? "" : "; stopped before the end");
	for (unsigned i = 0; i <= o->acts; i++)
		printf("  %u acts: %llu states%s\n", i, (unsigned long long)r->depth_states[i],
		       !r->whole && i >= r->depth ? " (not all)" : "");
	printf("%-22s %10s %10s\n", "invariant", "broken", "known");
	for (enum invariant v = 0; v < INVARIANTS; v++)
		printf("%-22s %10llu %10llu   %s\n", invariant_name(v),
		       (unsigned long long)r->broken[v], (unsigned long long)r->known[v],
		       invariant_text(v));
}

static void
print_json(const struct search_options *o, const struct result *r)
{
	printf("{\"nodes\":%u,\"acts\":%u,\"states\":%llu,\"transitions\":%llu,\"whole\":%s,"
	       "\"invariants\":{",
	       o->nodes, o->acts, (unsigned long long)r->states, (unsigned long long)r->transitions,
	       r->whole ? "true" : "false");
	for (enum invariant v = 0; v < INVARIANTS; v++)
		printf("%s\"%s\":{\"broken\":%llu,\"known\":%llu}", v ? "," : "", invariant_name(v),
		       (unsigned long long)r->broken[v], (unsigned long long)r->known[v]);
	printf("}}\n");
}

static bool
is_broken(const struct result *r)
{
	for (enum invariant v = 0; v < INVARIANTS; v++) {
		if (r->broken[v])
			return true;
	}
	return false;
}

/* ---- the self-test ---- */

/* Rules whose absence two nodes and two acts do not show, and why. */
static const struct {
	const char *when;
	enum ha_state to;
	const char *why;
} unseen[] = {
	{ "became_secondary", HA_STANDBY, "a node that is on its own is not modelled" },
	{ "pair_begun", HA_ALONE, "a node that is on its own is not modelled" },
	{ "clone_there", HA_STANDBY, "a node begins with its data" },
	{ "pair_ended", HA_SINGLE, "a primary that is alone goes on in the same way" },
	{ "promote_failed", HA_EMERGENCY, "PostgreSQL and the disk do as they are told" },
	{ "duplicate_heard", HA_DUPLICATE,
	  "one of two programs is behind what the other wrote as soon as it is compared" },
	{ "primary_back", HA_MERGING, "primary_serves does the same some seconds later" },
};

static bool
may_be_unseen(const struct fsm_rule *r)
{
	for (unsigned i = 0; i < ARRAY_LEN(unseen); i++) {
		if (strcmp(unseen[i].when, r->when_name) == 0 && unseen[i].to == r->to)
			return true;
	}
	return false;
}

/* The quickest search first. */
static bool
finds(const char *what, bool must)
{
	const struct search_options o[] = {
		{ .nodes = 2, .acts = 1, .middle = 1, .first = true },
		{ .nodes = 2, .acts = 4, .middle = 1, .first = true, .few = true },
		{ .nodes = 2, .acts = 3, .middle = 3, .first = true, .few = true },
		{ .nodes = 2, .acts = 2, .middle = 1, .first = true },
		{ .nodes = 2, .acts = 3, .middle = 1, .first = true },
	};
	struct result r;

	for (unsigned i = 0; i < (must ? ARRAY_LEN(o) : 1); i++) {
		search(&o[i], &r);
		for (enum invariant v = 0; v < INVARIANTS; v++) {
			if (r.broken[v])
				printf("found, %u acts, %5llu states  %s: %s\n", r.depth,
				       (unsigned long long)r.states, what, invariant_name(v));
		}
		fflush(stdout);
		if (is_broken(&r))
			return true;
	}
	printf("%s  %s\n", must ? "NOT FOUND                   " : "not seen, as is known       ",
	       what);
	return !must;
}

static int
self_test(void)
{
	static const char *const faults[MODEL_FAULTS] = {
		[FAULT_EPOCHS_UNTOLD] = "no node names an epoch",
		[FAULT_FOLLOWS_BLINDLY] = "a secondary follows who has less",
		[FAULT_OVERWRITES] = "nothing is saved before a database is replaced",
	};
	unsigned n, bad = 0;
	const struct fsm_rule *r = fsm_rules(&n);

	for (unsigned i = 0; i < n; i++) {
		char what[200];

		model_without_rule = (int)i;
		snprintf(what, sizeof(what), "without %s → %s", r[i].when_name,
			 state_name(r[i].to));
		bad += !finds(what, !may_be_unseen(&r[i]));
	}
	model_without_rule = -1;
	for (model_fault = 1; model_fault < MODEL_FAULTS; model_fault++)
		bad += !finds(faults[model_fault], true);
	model_fault = FAULT_NONE;
	if (bad)
		printf("%u of the faults above were not found\n", bad);
	return bad ? 1 : 0;
}

/* ---- the command line ---- */

enum option_name {
	NODES = 1,
	ACTS,
	MIDDLE,
	FEW,
	SECONDS,
	MEGABYTES,
	SHOW,
	STATES,
	JSON,
	SELF,
	HELP
};

static const struct option options[] = {
	{ "nodes", required_argument, NULL, NODES },
	{ "acts", required_argument, NULL, ACTS },
	{ "middle", required_argument, NULL, MIDDLE },
	{ "few", no_argument, NULL, FEW },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "megabytes", required_argument, NULL, MEGABYTES },
	{ "show", required_argument, NULL, SHOW },
	{ "states", no_argument, NULL, STATES },
	{ "json", no_argument, NULL, JSON },
	{ "self-test", no_argument, NULL, SELF },
	{ "help", no_argument, NULL, HELP },
	{ 0 },
};

static unsigned
number(const char *text, unsigned least, unsigned most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < least || n > most) {
		fprintf(stderr, "a number from %u to %u is needed, not \"%s\"\n", least, most,
			text);
		exit(2);
	}
	return (unsigned)n;
}

int
main(int argc, char **argv)
{
	struct search_options o = { .nodes = 2, .acts = 3, .middle = 1, .show = 3 };
	bool json = false, self = false;
	struct result r;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case NODES:
			o.nodes = number(optarg, 2, NODES_MAX);
			break;
		case ACTS:
			o.acts = number(optarg, 0, ARRAY_LEN(r.depth_states) - 1);
			break;
		case MIDDLE:
			o.middle = number(optarg, 0, 16);
			break;
		case FEW:
			o.few = true;
			break;
		case SECONDS:
			o.seconds = number(optarg, 1, 1000000);
			break;
		case MEGABYTES:
			o.bytes = (int64_t)number(optarg, 1, 1000000) << 20;
			break;
		case SHOW:
			o.show = number(optarg, 0, 1000000);
			break;
		case STATES:
			setenv("MODEL_STATES", "1", 1);
			break;
		case JSON:
			json = true;
			break;
		case SELF:
			self = true;
			break;
		case HELP:
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	/* What agents write to their supervisor goes nowhere. */
	int nowhere = open("/dev/null", O_RDWR);
	if (nowhere < 0 || dup2(nowhere, PROC_FD_KEYS) < 0 || dup2(nowhere, PROC_FD_LINK) < 0) {
		perror("/dev/null");
		return 1;
	}
	if (self)
		return self_test();
	if (json)
		o.show = 0;
	search(&o, &r);
	if (json)
		print_json(&o, &r);
	else
		print_table(&o, &r);
	return is_broken(&r) ? 1 : 0;
}
