/* SPDX-License-Identifier: Apache-2.0 */
#include "base/jw.h"
#include "ha/status.h"

static const struct {
	const char *status, *code, *text, *todo;
} silences[] = {
	[STATUS_NOT_RUNNING] = { "Not running", "not_running", "this node does not run here",
				 "Start it: `systemctl start holdfast`, or `holdfast serve`." },
	[STATUS_STARTING] = { "Failed", "starting",
			      "this node was just started and has not looked around yet",
			      "Ask again in a moment; if it stays so, see the node's log." },
	[STATUS_AGENT_SILENT] = { "Failed", "agent_silent",
				  "the agent of this node has not been heard for more than 5 s",
				  "See the node's log; if it does not come back, restart the "
				  "node." },
};

void
status_silent(enum status_silence s, struct buf *out)
{
	struct jw w;

	jw_init(&w, out);
	jw_object(&w, NULL);
	jw_text(&w, "status", silences[s].status);
	jw_text(&w, "reason", silences[s].text);
	jw_null(&w, "state");
	jw_array(&w, "reasons");
	jw_object(&w, NULL);
	jw_text(&w, "code", silences[s].code);
	jw_null(&w, "node");
	jw_text(&w, "text", silences[s].text);
	jw_null(&w, "detail");
	jw_text(&w, "todo", silences[s].todo);
	jw_null(&w, "follows_from");
	jw_end_object(&w);
	jw_end_array(&w);
	jw_array(&w, "nodes");
	jw_end_array(&w);
	jw_end_object(&w);
}

void
status_read(const struct statepage_view *page, int64_t now_mono_ms, struct buf *out)
{
	bool fresh = statepage_is_fresh(page, now_mono_ms);

	if (fresh && page->status_json[0])
		buf_adds(out, page->status_json);
	else
		status_silent(fresh || !page->beat_mono_ms ? STATUS_STARTING : STATUS_AGENT_SILENT,
			      out);
}
