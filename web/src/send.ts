// SPDX-License-Identifier: Apache-2.0
//
// A file that goes to the node as it is. The browser reads it while it sends: no script holds what is in it.
import { answerOf, type Answer } from "./api";

export interface Sending<R> {
	answer: Promise<Answer<R>>;
	stop: () => void;
}

// told: how many bytes the node has by now. fetch() cannot tell it.
export function sendFile<R>(path: string, file: File, told: (bytes: number) => void): Sending<R> {
	const ask = new XMLHttpRequest();
	const answer = new Promise<Answer<R>>((done) => {
		ask.upload.onprogress = (e) => told(e.loaded);
		ask.onloadend = () => done(answerOf<R>(ask.status, ask.responseText, null));
	});
	ask.open("POST", path);
	ask.setRequestHeader("Content-Type", "application/octet-stream");
	ask.send(file);
	return { answer, stop: () => ask.abort() };
}
