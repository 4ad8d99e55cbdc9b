// SPDX-License-Identifier: Apache-2.0
import { encode } from "uqr";

const BORDER = 4; // of the standard, in modules: cameras find the code by it

// The dark modules, a line for each run of them.
function runs(rows: boolean[][]): string {
	let path = "";
	rows.forEach((row, y) => {
		for (let x = 0; x < row.length; x++) {
			const from = x;
			while (row[x])
				x++;
			if (x > from)
				path += `M${from} ${y}h${x - from}v1h${from - x}z`;
		}
	});
	return path;
}

// For a phone's camera: dark on light in every theme. What it says must stand beside it as text.
export function QrCode({ id, text, title }: { id: string; text: string; title: string }) {
	const { data, size } = encode(text, { ecc: "M", border: BORDER });
	return (
		<svg id={id} class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={title}>
			<rect width={size} height={size} />
			<path d={runs(data)} />
		</svg>
	);
}
