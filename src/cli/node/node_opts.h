/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of the verbs that make a node: rows of a table of struct cli_opt.
 */
#pragma once

/* clang-format off */
#define NODE_OPT_HOME \
	{ .name = "home", .value = "DIR", .help = "The home folder to make: it must not exist yet, or be empty. Required." }

#define NODE_OPTS_PLACE \
	{ .name = "listen", .value = "ADDR:PORT", .help = "Address and port of HTTPS (default 0.0.0.0:7272)." }, \
	{ .name = "pair-listen", .value = "ADDR:PORT", \
	  .help = "Address and port of the pair's channel, once there is a pair (default 0.0.0.0:2345)." }, \
	{ .name = "user", .value = "NAME", .help = "When started as root: the user to run as (default: holdfast)." }
/* clang-format on */
