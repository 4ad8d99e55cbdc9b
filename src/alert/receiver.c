/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/receiver.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "alert/syslog.h"
#include "base/clock.h"
#include "base/home.h"
#include "http/outgoing.h"

#define SECRET_MAX 1024

_Static_assert(RECEIVER_ANSWER_MAX >= OUTGOING_ANSWER_MAX, "an answer fits");

const char *
receiver_name(enum receiver t)
{
	static const char *const names[] = {
#define X(NAME, name, setting) [RECEIVER_##NAME] = name,
		RECEIVERS(X)
#undef X
	};

	return names[t];
}

bool
receiver_is_there(const struct settings *s, enum receiver t)
{
	const char *const set[] = {
#define X(NAME, name, setting) [RECEIVER_##NAME] = s->setting,
		RECEIVERS(X)
#undef X
	};

	return set[t][0] != '\0';
}

unsigned
receiver_bits(const struct settings *s)
{
	unsigned bits = 0;

	for (int t = 0; t < RECEIVER_COUNT; t++)
		bits |= (unsigned)receiver_is_there(s, (enum receiver)t) << t;
	return bits;
}

/* The text of a secret's file. One that everybody may read is none. */
static int
read_secret(const char *setting, const char *path, struct buf *ret, struct err *e)
{
	struct stat st;
	int rc;

	if (!path[0])
		return err_set(e, ERR_USAGE, "%s is not set", setting);
	rc = home_read_file(path, SECRET_MAX, ret, e);
	if (rc)
		return err_prefix(e, "%s: ", setting);
	if (stat(path, &st) < 0 || (st.st_mode & 07))
		return err_set(e, ERR_USAGE, "%s: %s may be read by everybody (chmod 0600)",
			       setting, path);
	return 0;
}

/* ---- webhook ---- */

static int
read_key(const struct settings *s, struct buf *ret, struct err *e)
{
	auto_buf text = BUF_INIT;
	int rc = read_secret("alert_webhook_key", s->alert_webhook_key, &text, e);

	return rc ? rc : alert_key(buf_str(&text), ret, e);
}

static int
check_webhook(const struct settings *s, struct err *e)
{
	auto_buf key = BUF_INIT;

	if (strncmp(s->alert_webhook, "https://", 8) != 0)
		return err_set(e, ERR_USAGE, "alert_webhook begins with https://");
	return read_key(s, &key, e);
}

static int
send_webhook(const struct settings *s, const struct alert_out *a, char *ret_answer, struct err *e)
{
	auto_buf key = BUF_INIT;
	char id[UUID_STR_LEN], signature[ALERT_SIGNATURE_LEN];
	char lines[3][80];
	const char *const headers[] = { lines[0], lines[1], lines[2], NULL };
	int64_t now = clock_now_us() / 1000000;
	int rc = read_key(s, &key, e);

	if (rc)
		return rc;
	uuid_str(&a->id, id);
	alert_sign(&key, id, now, a->body, signature);
	snprintf(lines[0], sizeof(lines[0]), "webhook-id: %s", id);
	snprintf(lines[1], sizeof(lines[1]), "webhook-timestamp: %lld", (long long)now);
	snprintf(lines[2], sizeof(lines[2]), "webhook-signature: %s", signature);
	return outgoing_post(s->alert_webhook, s->alert_ca, headers, a->body, ret_answer, e);
}

/* ---- syslog ---- */

static int
check_syslog(const struct settings *s, struct err *e)
{
	return strchr(s->alert_syslog, ':')
		       ? 0
		       : err_set(e, ERR_USAGE, "alert_syslog is host:port (port 6514 as a rule)");
}

static int
send_syslog(const struct settings *s, const struct alert_out *a, char *ret_answer, struct err *e)
{
	auto_buf frame = BUF_INIT;

	alert_syslog(a, (int)getpid(), &frame);
	int rc = syslog_send(s->alert_syslog, s->alert_ca, frame.data, frame.len, e);
	if (rc == 0)
		snprintf(ret_answer, RECEIVER_ANSWER_MAX, "read to the end");
	return rc;
}

/* ---- mail ---- */

static int
check_smtp(const struct settings *s, struct err *e)
{
	if (strncmp(s->alert_smtp, "smtp://", 7) != 0 && strncmp(s->alert_smtp, "smtps://", 8) != 0)
		return err_set(e, ERR_USAGE, "alert_smtp begins with smtp:// or smtps://");
	if (!s->alert_from[0])
		return err_set(e, ERR_USAGE, "alert_from is needed for mail");
	if (!outgoing_names_anybody(s->alert_to))
		return err_set(e, ERR_USAGE, "alert_to names nobody");
	return 0;
}

static int
send_smtp(const struct settings *s, const struct alert_out *a, char *ret_answer, struct err *e)
{
	auto_buf text = BUF_INIT, password = BUF_INIT;
	struct outgoing_mail m = { .url = s->alert_smtp, .from = s->alert_from, .to = s->alert_to };
	int rc = 0;

	if (s->alert_smtp_user[0]) {
		rc = read_secret("alert_smtp_password_file", s->alert_smtp_password_file, &password,
				 e);
		if (rc)
			return rc;
		buf_str(&password);
		password.data[strcspn(password.data, "\r\n")] = '\0';
		m.user = s->alert_smtp_user;
		m.password = password.data;
	}
	alert_mail(a, s->alert_from, s->alert_to, &text);
	m.text = text.data;
	m.len = text.len;
	return outgoing_mail(&m, s->alert_ca, ret_answer, e);
}

/* ---- all ---- */

static const struct {
	int (*check)(const struct settings *s, struct err *e);
	int (*send)(const struct settings *s, const struct alert_out *a, char *ret_answer,
		    struct err *e);
} ways[] = {
	[RECEIVER_WEBHOOK] = { check_webhook, send_webhook },
	[RECEIVER_SYSLOG] = { check_syslog, send_syslog },
	[RECEIVER_SMTP] = { check_smtp, send_smtp },
};

int
receiver_check(const struct settings *s, enum receiver t, struct err *e)
{
	return ways[t].check(s, e);
}

int
receiver_send(const struct settings *s, enum receiver t, const struct alert_out *a,
	      char ret_answer[static RECEIVER_ANSWER_MAX], struct err *e)
{
	int rc = receiver_check(s, t, e);

	ret_answer[0] = '\0';
	return rc ? rc : ways[t].send(s, a, ret_answer, e);
}
