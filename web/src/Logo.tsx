// SPDX-License-Identifier: Apache-2.0

// Two plates, bolted together: either holds.
export function Logo() {
	return (
		<svg class="logo" viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
			<rect x="2" y="5" width="18" height="18" rx="4" class="logo-back" />
			<rect x="12" y="9" width="18" height="18" rx="4" class="logo-front" />
			<circle cx="16" cy="16" r="3" class="logo-bolt" />
		</svg>
	);
}
