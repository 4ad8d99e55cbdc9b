/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/json_out.h"
#include "base/secret.h"
#include "ha/status.h"

#define FACILITY 3 /* system daemons */
#define KEY_MIN 24
#define KEY_MAX 64
#define MAIL_LINE 57 /* bytes that give a line of 76 characters in base64 */

static const struct {
	const char *name;
	int severity;
} types[] = {
#define X(NAME, name, severity) [ALERT_##NAME] = { name, severity },
	ALERT_TYPES(X)
#undef X
};

const char *
alert_type_name(enum alert_type t)
{
	return types[t].name;
}

static int
severity_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].severity;
	return 3;
}

/* ---- JSON ---- */

static void
write_codes(struct json_out *w, uint64_t reasons)
{
	struct status_words s;

	json_out_array(w, "codes");
	for (int r = 0; r < STATUS_REASON_COUNT; r++) {
		if (!(reasons & (1ull << r)))
			continue;
		status_code((enum status_reason)r, s.code);
		json_out_text(w, NULL, s.code);
	}
	json_out_end_array(w);
}

void
alert_body(const struct alert *a, struct buf *out)
{
	struct status_words first = { 0 };
	struct json_out w;

	if (a->reasons)
		status_code((enum status_reason)__builtin_ctzll(a->reasons), first.code);
	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "type", alert_type_name(a->type));
	json_out_time(&w, "timestamp", a->at_us);
	json_out_object(&w, "data");
	json_out_uuid(&w, "id", a->id.b);
	json_out_text(&w, "source", a->source);
	json_out_text(&w, "node", a->node);
	json_out_text(&w, "state", a->state);
	json_out_text(&w, "text", a->text);
	json_out_text(&w, "code", first.code[0] ? first.code : NULL);
	write_codes(&w, a->reasons);
	json_out_text(&w, "detail", a->detail[0] ? a->detail : NULL);
	json_out_text(&w, "todo", a->todo);
	json_out_int(&w, "term", a->term);
	json_out_time(&w, "as_of", a->as_of_us);
	if (a->type == ALERT_NOT_KEPT)
		json_out_int(&w, "lost", a->lost);
	json_out_end_object(&w);
	json_out_end_object(&w);
}

/* ---- webhook ---- */

int
alert_key(const char *text, struct buf *ret, struct err *e)
{
	static const char prefix[] = "whsec_";
	uint8_t key[KEY_MAX];
	size_t len = strcspn(text, "\r\n"), n = 0;
	const char *end = NULL;
	bool good = strncmp(text, prefix, strlen(prefix)) == 0 &&
		    text[len + strspn(text + len, "\r\n")] == '\0' &&
		    sodium_base642bin(key, sizeof(key), text + strlen(prefix), len - strlen(prefix),
				      NULL, &n, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		    end == text + len && n >= KEY_MIN;

	if (good)
		buf_add(ret, key, n);
	secret_wipe(key, sizeof(key));
	return good ? 0
		    : err_set(e, ERR_BAD_FIELD,
			      "the file of alert_webhook_key holds no key: one line, whsec_ and %d "
			      "to %d bytes in base64",
			      KEY_MIN, KEY_MAX);
}

void
alert_sign(const struct buf *key, const char *id, int64_t unix_s, const char *body,
	   char ret[static ALERT_SIGNATURE_LEN])
{
	crypto_auth_hmacsha256_state st;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	auto_buf head = BUF_INIT;

	buf_addf(&head, "%s.%lld.", id, (long long)unix_s);
	crypto_auth_hmacsha256_init(&st, (const uint8_t *)buf_str(key), key->len);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)buf_str(&head), head.len);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)body, strlen(body));
	crypto_auth_hmacsha256_final(&st, mac);
	secret_wipe(&st, sizeof(st));
	memcpy(ret, "v1,", 3);
	sodium_bin2base64(ret + 3, ALERT_SIGNATURE_LEN - 3, mac, sizeof(mac),
			  sodium_base64_VARIANT_ORIGINAL);
}

/* ---- syslog ---- */

/* A field of the header: 1 to max printable characters of US-ASCII, or "-". */
static void
add_field(struct buf *out, const char *s, size_t max)
{
	size_t begun = out->len;

	for (; *s && max > 0; s++, max--) {
		unsigned char c = (unsigned char)*s;
		buf_addc(out, c > 0x20 && c < 0x7f ? (char)c : '_');
	}
	if (out->len == begun)
		buf_addc(out, '-');
}

void
alert_syslog(const struct alert_out *a, int pid, struct buf *out)
{
	auto_buf m = BUF_INIT;
	char at[CLOCK_ISO_LEN];

	clock_iso(a->at_us, at);
	buf_addf(&m, "<%d>1 %s ", FACILITY * 8 + severity_of(a->type), at);
	add_field(&m, a->source, 255);
	buf_addf(&m, " holdfast %d ", pid);
	add_field(&m, a->type, 32);
	buf_addf(&m, " [origin software=\"holdfast\" swVersion=\"%s\"] \xEF\xBB\xBF%s", HF_VERSION,
		 a->body);
	buf_addf(out, "%zu ", m.len);
	buf_add(out, m.data, m.len);
}

/* ---- mail ---- */

/* Header text: what could end the line or is not US-ASCII is replaced. */
static void
add_header(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, "%s: ", name);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;
		buf_addc(out, c >= 0x20 && c < 0x7f ? (char)c : '?');
	}
	buf_adds(out, "\r\n");
}

/* RFC 5322's form of a moment; the names are English whatever the locale. */
static void
add_date(struct buf *out, int64_t us)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	gmtime_r(&t, &tm);
	buf_addf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
		 tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		 tm.tm_sec);
}

static void
add_base64(struct buf *out, const struct buf *text)
{
	char line[sodium_base64_ENCODED_LEN(MAIL_LINE, sodium_base64_VARIANT_ORIGINAL)];

	for (size_t at = 0; at < text->len; at += MAIL_LINE) {
		size_t n = text->len - at < MAIL_LINE ? text->len - at : MAIL_LINE;
		sodium_bin2base64(line, sizeof(line), (const uint8_t *)text->data + at, n,
				  sodium_base64_VARIANT_ORIGINAL);
		buf_addf(out, "%s\r\n", line);
	}
}

/* "a@x, b@y" whatever stood between them. */
static void
list_receivers(const char *to, struct buf *out)
{
	for (size_t n; *(to += strspn(to, ", ")); to += n) {
		n = strcspn(to, ", ");
		buf_addf(out, "%s%.*s", out->len ? ", " : "", (int)n, to);
	}
}

void
alert_mail(const struct alert_out *a, const char *from, const char *to, struct buf *out)
{
	auto_buf subject = BUF_INIT, id = BUF_INIT, receivers = BUF_INIT, text = BUF_INIT;
	char uuid[UUID_STR_LEN];

	uuid_str(&a->id, uuid);
	buf_addf(&subject, "[holdfast] %.200s", a->text);
	buf_addf(&id, "<%s@%s>", uuid, a->source);
	list_receivers(to, &receivers);
	buf_addf(&text, "%s\r\n\r\n%s\r\n", a->text, a->body);
	add_header(out, "From", from);
	add_header(out, "To", buf_str(&receivers));
	add_header(out, "Subject", buf_str(&subject));
	add_date(out, a->at_us);
	add_header(out, "Message-ID", buf_str(&id));
	add_header(out, "Holdfast-Alert", uuid);
	add_header(out, "Holdfast-Alert-Type", a->type);
	buf_adds(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
		      "Content-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: base64\r\n\r\n");
	add_base64(out, &text);
}
