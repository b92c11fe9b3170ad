// Takes a Markdown text apart: its sections, its headings' addresses, its first words.

/** A heading's address, as GitHub makes it, so that the same link holds there and here. */
export function slugOf(heading) {
  return heading
    .replace(/`|\*\*|\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** The text before the first heading of that level, and each section below one: its title and its text. */
export function splitAt(level, markdown) {
  const parts = [{ title: '', text: '' }];
  for (const { line, isCode } of linesOf(markdown)) {
    const title = isCode ? undefined : headingIn(line, level);
    if (title === undefined) parts.at(-1).text += `${line}\n`;
    else parts.push({ title, text: '' });
  }
  const [intro, ...sections] = parts;
  return { intro: intro.text, sections };
}

/** The same text with its headings one level up. */
export function raiseHeadings(markdown) {
  return mapProse(markdown, (prose) => prose.replace(/^#(#+ )/gm, '$1'));
}

/** The addresses of a text's headings. */
export function anchorsOf(markdown) {
  return [...linesOf(markdown)]
    .filter(({ isCode }) => !isCode)
    .flatMap(({ line }) => {
      const [, heading, id] = /^#+ (.*?)(?: \{#(\S+)\})?$/.exec(line) ?? [];
      return heading === undefined ? [] : [id ?? slugOf(heading)];
    });
}

/** Changes everything but blocks of code. */
export function mapProse(markdown, change) {
  return markdown
    .split(/(^(?:```|~~~).*?^(?:```|~~~)$)/ms)
    .map((part, index) => (index % 2 ? part : change(part)))
    .join('');
}

/** What a search engine shows of a page: its first paragraph, without signs, cut at the end of a word. */
export function describe(markdown) {
  const prose = markdown.replace(/^(?:```|~~~).*?^(?:```|~~~)$|^#.*$|<!--.*?-->|^[|<:].*$/gms, '');
  const paragraph = prose.split(/\n\s*\n/).find((text) => /[a-z]{3}/i.test(text)) ?? '';
  const words = plainText(paragraph);
  if (words.length <= 160) return words;
  return `${words.slice(0, 158).replace(/[\s,;:.]+\S*$/, '')} …`;
}

export function plainText(markdown) {
  return markdown
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, '')
    .replace(/\*\*|^- |`/gm, '')
    .replace(/"([^"]*)"/g, '“$1”')
    .replace(/\s+/g, ' ')
    .trim();
}

export function capitalize(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/** The cells of the rows below a marker such as `<!-- sizes -->`, the head first. */
export function tableBelow(marker, markdown) {
  const [, text] = markdown.split(`<!-- ${marker} -->`);
  if (text === undefined) throw new Error(`no table is marked <!-- ${marker} -->`);
  const rows = text.split('<!--')[0].match(/^\|.*\|$/gm) ?? [];
  return rows.filter((row) => !/^\| ---/.test(row)).map((row) => row.slice(2, -2).split(' | '));
}

function* linesOf(markdown) {
  let isCode = false;
  for (const line of markdown.replace(/\n$/, '').split('\n')) {
    const isFence = /^(?:```|~~~)/.test(line);
    yield { line, isCode: isCode || isFence };
    if (isFence) isCode = !isCode;
  }
}

function headingIn(line, level) {
  return line.startsWith(`${'#'.repeat(level)} `) ? line.slice(level + 1).trim() : undefined;
}
