/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_out.h"
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
	struct json_out w;

	json_out_init(&w, out);
	json_out_object(&w, NULL);
	json_out_text(&w, "status", silences[s].status);
	json_out_text(&w, "reason", silences[s].text);
	json_out_null(&w, "state");
	json_out_array(&w, "reasons");
	json_out_object(&w, NULL);
	json_out_text(&w, "code", silences[s].code);
	json_out_null(&w, "node");
	json_out_text(&w, "text", silences[s].text);
	json_out_null(&w, "detail");
	json_out_text(&w, "todo", silences[s].todo);
	json_out_null(&w, "follows_from");
	json_out_end_object(&w);
	json_out_end_array(&w);
	json_out_array(&w, "nodes");
	json_out_end_array(&w);
	json_out_end_object(&w);
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
