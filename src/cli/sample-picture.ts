import sharp from "sharp";

const canvas = { width: 1200, height: 800 };

/** Paths of the letters in a box 60 wide and 80 high, drawn as strokes since a machine may have no fonts. */
const letterPaths: Readonly<Record<string, string>> = {
  D: "M4 4V76H26C46 76 56 60 56 40S46 4 26 4Z",
  A: "M2 76L30 4L58 76M13 50H47",
  R: "M6 76V4H32C60 4 60 42 32 42H6M30 42L56 76",
  K: "M6 4V76M54 4L8 44M24 32L56 76",
  O: "M30 4C-6 4 -6 76 30 76S66 4 30 4Z",
  M: "M4 76V4L32 52L60 4V76",
};

/** Draws the demonstration picture: a lake at sunset, the same bytes each time. */
export async function drawSamplePicture(): Promise<Uint8Array> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${canvas.width}" height="${canvas.height}">
    <defs>${gradients}${filters}</defs>
    ${sky()}${lake()}${hills()}${trees()}${balloon(300, 190, 1.25)}${balloon(560, 120, 0.45)}${boat()}${jetty()}${title("DARKROOM")}
    <rect width="${canvas.width}" height="${canvas.height}" filter="url(#paper)" opacity="0.10"/>
  </svg>`;
  return sharp(Buffer.from(svg)).removeAlpha().jpeg({ quality: 92, chromaSubsampling: "4:4:4" }).toBuffer();
}

const gradients = [
  gradient("sky", ["#2b4f8f", "#5a86bd", "#a9bccb", "#f3cfa2", "#f6a765"]),
  gradient("water", ["#f0a468", "#b98c86", "#5f7f9d", "#2c5476", "#173a58"]),
  gradient("wood", ["#b98555", "#8a5a34"]),
  gradient("near", ["#3f6b3c", "#22432f"]),
  `<linearGradient id="shade"><stop offset="0" stop-color="#1b0f33" stop-opacity="0.5"/><stop offset="0.62" stop-color="#fff"
   stop-opacity="0.14"/><stop offset="1" stop-color="#33150f" stop-opacity="0.22"/></linearGradient>`,
  `<radialGradient id="shore"><stop offset="0.55" stop-color="#1c3a3a" stop-opacity="0.85"/>
   <stop offset="1" stop-color="#1c3a3a" stop-opacity="0"/></radialGradient>`,
  `<radialGradient id="glow"><stop offset="0" stop-color="#fff6d8"/><stop offset="0.16" stop-color="#ffe9ae"/>
   <stop offset="0.2" stop-color="#ffd68a" stop-opacity="0.55"/><stop offset="1" stop-color="#ffb765" stop-opacity="0"/>
   </radialGradient>`,
].join("");

const filters = [
  noise("paper", "0.8 0.8", 3, "0 0 0 0 0.5  0 0 0 0 0.5  0 0 0 0 0.5  1.6 0 0 0 -0.5"),
  noise("clouds", "0.0035 0.016", 5, "0 0 0 0 1  0 0 0 0 0.93  0 0 0 0 0.88  0 2.6 0 0 -1.15"),
  noise("ripples", "0.006 0.11", 3, "0 0 0 0 1  0 0 0 0 0.9  0 0 0 0 0.78  0 3.4 0 0 -1.7"),
  noise("shadows", "0.008 0.14", 3, "0 0 0 0 0.05  0 0 0 0 0.14  0 0 0 0 0.28  0 0 3.4 0 -1.6"),
  noise("veins", "0.009 0.22", 4, "0 0 0 0 0.24  0 0 0 0 0.12  0 0 0 0 0.05  2.6 0 0 0 -0.95"),
  noise("leaves", "0.11 0.13", 3, "0 0 0 0 0.62  0 0 0 0 0.72  0 0 0 0 0.25  0 2.8 0 0 -1.3"),
].join("");

/** From top to bottom, evenly spaced. */
function gradient(id: string, colours: readonly string[]): string {
  const stops = colours.map((colour, i) => `<stop offset="${i / (colours.length - 1)}" stop-color="${colour}"/>`);
  return `<linearGradient id="${id}" x2="0" y2="1">${stops.join("")}</linearGradient>`;
}

function noise(id: string, frequency: string, octaves: number, colours: string): string {
  return `<filter id="${id}" x="0" y="0" width="1" height="1"><feTurbulence type="fractalNoise" seed="7"
    baseFrequency="${frequency}" numOctaves="${octaves}"/><feColorMatrix values="${colours}"/>
    <feComposite in2="SourceGraphic" operator="in"/></filter>`;
}

function sky(): string {
  return `<rect width="1200" height="470" fill="url(#sky)"/>
    <rect width="1200" height="430" filter="url(#clouds)" opacity="0.75"/>
    <circle cx="830" cy="345" r="330" fill="url(#glow)"/>`;
}

/** Ridges from far and hazy to near and dark. */
function hills(): string {
  const ridges = [
    ["M0 380Q90 300 190 352T420 330Q520 262 640 345T900 350Q1010 290 1200 372V470H0Z", "#8f9cb8"],
    ["M0 420Q150 330 300 398T620 405Q800 372 930 404T1200 372V470H0Z", "#6c7f93"],
    ["M0 372Q150 392 260 432T520 452L1200 470H0Z", "url(#near)"],
    ["M1200 350Q1080 380 1000 425T820 458L600 470H1200Z", "url(#near)"],
  ];
  const drawn = ridges.map(([path, fill]) => `<path d="${path}" fill="${fill}"/>`).join("");
  return `${drawn}<g opacity="0.55"><path d="${ridges[2]?.[0]}" filter="url(#leaves)"/>
    <path d="${ridges[3]?.[0]}" filter="url(#leaves)"/></g>`;
}

function lake(): string {
  const glints = Array.from({ length: 26 }, (_, i) => {
    const spread = 26 + i * 4 + 22 * Math.sin(i * 2.4);
    const x = 830 + 16 * Math.sin(i * 1.9) - spread / 2;
    return `<rect x="${x}" y="${466 + i * 9}" width="${spread}" height="${1.5 + i * 0.16}" rx="2"/>`;
  });
  return `<rect y="462" width="1200" height="338" fill="url(#water)"/>
    <g fill="url(#shore)"><ellipse cy="462" rx="540" ry="92"/><ellipse cx="1200" cy="462" rx="430" ry="112"/></g>
    <rect y="462" width="1200" height="338" filter="url(#ripples)" opacity="0.5"/>
    <rect y="462" width="1200" height="338" filter="url(#shadows)" opacity="0.55"/>
    <g fill="#ffe2a4" opacity="0.8">${glints.join("")}</g>`;
}

function trees(): string {
  return Array.from({ length: 15 }, (_, i) => {
    const x = i < 7 ? 8 + i * 44 : 930 + (i - 7) * 37;
    const height = 84 + 34 * Math.sin(i * 2.3) + (i < 7 ? 30 - i * 9 : (i - 7) * 8);
    const foot = i < 7 ? 430 + i * 5 : 466 - (i - 7) * 7;
    const tiers = [0, 1, 2, 3].map((tier) => {
      const [top, half] = [foot - height * (1 - tier * 0.2), height * (0.1 + tier * 0.055)];
      return `M${x} ${top}L${x + half} ${top + height * 0.36}Q${x} ${top + height * 0.3} ${x - half} ${top + height * 0.36}Z`;
    });
    const green = ["#1d3b2c", "#274a30", "#18332b"][i % 3];
    return `<rect x="${x - 3}" y="${foot - 10}" width="6" height="16" fill="#3d2a1c"/><path d="${tiers.join("")}" fill="${green}"/>`;
  }).join("");
}

function balloon(x: number, y: number, scale: number): string {
  const gores = ["#c8242f", "#f2b61f", "#12808c", "#f4ead6", "#12808c", "#f2b61f", "#c8242f"];
  const edges = [-100, -84, -54, -18, 18, 54, 84, 100];
  const side = (edge: number) => `C${edge * 1.32} ${-64} ${edge * 1.05} 50 ${edge * 0.22} 112`;
  const silk = gores.map((colour, i) => {
    const [left, right] = [edges[i] ?? 0, edges[i + 1] ?? 0];
    return `<path d="M0 -112${side(left)}H${right * 0.22}C${right * 1.05} 50 ${right * 1.32} -64 0 -112Z" fill="${colour}"/>`;
  });
  return `<g transform="translate(${x} ${y}) scale(${scale})">${silk.join("")}
    <path d="M0 -112${side(-100)}H22C105 50 132 -64 0 -112Z" fill="url(#shade)"/>
    <path d="M-21 112L-13 146M21 112L13 146M-7 112L-5 146M7 112L5 146" stroke="#4a3524" stroke-width="1.6"/>
    <path d="M-15 145H15L12 169Q0 174 -12 169Z" fill="#9a6a3a"/><path d="M-15 145H15V150H-15Z" fill="#5f3d20"/></g>`;
}

/** A rower in a red boat, and their reflection. */
function boat(): string {
  const drawn = `<path d="M-112 -14Q0 16 112 -14Q94 34 60 38H-60Q-94 34 -112 -14Z" fill="#b3272d"/>
    <path d="M-112 -14Q0 16 112 -14L109 -4Q0 27 -109 -4Z" fill="#f1e3cb"/>
    <path d="M-26 8Q-32 -46 -4 -50Q24 -50 24 8Z" fill="#2f6fb0"/><path d="M8 -36Q36 -22 52 -16" stroke="#2f6fb0" stroke-width="13"
    fill="none" stroke-linecap="round"/><circle cx="56" cy="-15" r="8" fill="#dca07a"/>
    <path d="M26 -46L150 38" stroke="#8a5a34" stroke-width="5"/><path d="M138 26L172 44L166 54L134 34Z" fill="#a87243"/>
    <path d="M-6 -54H8V-46H-6Z" fill="#c98a64"/><circle cx="2" cy="-70" r="20" fill="#e3ab85"/>
    <path d="M-17 -70Q-18 -52 -6 -54Q-8 -64 -8 -74Z" fill="#6b4226"/><circle cx="13" cy="-68" r="2" fill="#3a2418"/>
    <path d="M8 -58Q14 -55 18 -60" stroke="#a0573f" stroke-width="2" fill="none"/>
    <path d="M-24 -74Q0 -84 32 -74Q18 -70 2 -76Q-12 -70 -24 -74ZM-17 -77Q-16 -98 2 -98T21 -77Z" fill="#e2c178"/>`;
  return `<g transform="translate(560 600)"><g transform="translate(0 70) scale(1 -0.72)" opacity="0.32">${drawn}</g>${drawn}
    <path d="M-120 38Q0 48 130 38" stroke="#ffe6bd" stroke-width="2" fill="none" opacity="0.6"/></g>`;
}

function jetty(): string {
  const top = (i: number) => 556 + i * 11 + i * i * 2.2;
  const left = (y: number) => 990 - (y - 556) * 1.5;
  const planks = Array.from({ length: 9 }, (_, i) => {
    const [y, end] = [top(i), top(i + 1)];
    const outline = `M${left(y)} ${y}H1200V${end}H${left(end)}Z`;
    return `<path d="${outline}" fill="url(#wood)"/><path d="${outline}" filter="url(#veins)"/>
      <path d="M${left(end)} ${end}H1200" stroke="#2b190d" stroke-width="${1.6 + i * 0.4}"/>`;
  });
  const post = (x: number, y: number, size: number) =>
    `<rect x="${x}" y="${y - size * 4}" width="${size}" height="${size * 5}" rx="${size / 3}" fill="#5d3c23"/>
     <ellipse cx="${x + size / 2}" cy="${y - size * 4}" rx="${size / 2}" ry="${size / 5}" fill="#c79a6b"/>`;
  return planks.join("") + post(966, 572, 17) + post(838, 668, 27);
}

function title(text: string): string {
  const letters = [...text]
    .map((letter, i) => `<path d="${letterPaths[letter]}" transform="translate(${i * 84} 0)"/>`)
    .join("");
  const group = (colour: string, shift: number, opacity: number) =>
    `<g transform="translate(${46 + shift} ${716 + shift}) scale(0.56)" fill="none" stroke="${colour}" stroke-width="9"
     stroke-linecap="round" stroke-linejoin="round" opacity="${opacity}">${letters}</g>`;
  return group("#0d2233", 3, 0.55) + group("#fff4df", 0, 1);
}
