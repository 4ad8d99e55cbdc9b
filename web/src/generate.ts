// SPDX-License-Identifier: Apache-2.0
//
// Passwords nobody thought of: 20 characters of 59, 117 bits. None of them looks like another one.
const CHARACTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789-.";
const LENGTH = 20;

export function generate(): string {
	const fair = 256 - (256 % CHARACTERS.length); // a byte above would favour some
	const bytes = new Uint8Array(64);
	let made = "";
	while (made.length < LENGTH) {
		crypto.getRandomValues(bytes);
		for (const b of bytes)
			if (b < fair && made.length < LENGTH)
				made += CHARACTERS[b % CHARACTERS.length];
	}
	return made;
}
