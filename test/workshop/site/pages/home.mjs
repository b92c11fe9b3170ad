// The start page: what stands before README.md's first section, and three figures from the pages that have
// them.
import { describe, plainText, splitAt, tableBelow } from './markdown.mjs';

export function homePage(intro, read, firstPage) {
  const { sections } = splitAt(1, intro);
  if (sections.length !== 1) throw new Error('README.md does not begin with its title');
  const [{ title, text }] = sections;
  const { programs, paragraphs } = blocksOf(text);
  const [lead, commands, ...others] = paragraphs;
  if (!programs.length || !commands) throw new Error('README.md shows no program before its first section');
  const [headline, ...sentences] = lead.split(/(?<=\.)\s+/);
  return {
    path: '/',
    from: 'README.md',
    title,
    description: describe(lead),
    layout: 'page',
    plain: text,
    body: `<div class="home vp-doc">
<div class="home-words">

# ${title}

<p class="headline">${markUp(headline)}</p>

${sentences.join(' ')}

<p class="actions">
<SiteLink class="action primary" to="${firstPage}">Get started</SiteLink>
<SiteLink class="action" to="/playground">Playground</SiteLink>
</p>

</div>
<div class="home-code">

${programs.join('\n\n')}

${commands}

</div>
</div>

${figures(read)}

<div class="home-more vp-doc">

${others.join('\n\n')}

</div>
`,
  };
}

function blocksOf(text) {
  const parts = text.split(/(^```.*?^```$)/ms);
  const prose = parts.filter((_, index) => index % 2 === 0);
  return {
    programs: parts.filter((_, index) => index % 2),
    paragraphs: prose.flatMap((part) => part.trim().split(/\n\s*\n/)).filter(Boolean),
  };
}

function markUp(text) {
  return text.replace(/`([^`]+)`/g, '<code>$1</code>');
}

/** Each leads to the page where it stands. */
function figures(read) {
  const bench = read('test/workshop/bench/README.md');
  const [, ours] = tableBelow('counts', bench);
  const size = tableBelow('sizes', bench).find(([name]) => name === '`createClient`');
  const [, ...rows] = tableBelow('matrix', read('test/packages/runtimes/README.md'));
  const runtimes = rows.flatMap(([names]) => names.split(', ')).length;
  const isPassed = rows.every((cells) => cells[3] === '0');
  if (!ours || !size || !isPassed || runtimes < 10) throw new Error('the start page finds no figures');
  const [requests] = ours.filter((cell) => /^\d+$/.test(cell));
  const compressed = plainText(size.at(-1));
  const items = [
    figure('/comparison#token-requests', requests, 'token request for 1,000 calls at once'),
    figure('/comparison#size', compressed, 'for <code>createClient</code>, compressed, and no dependencies'),
    figure('/runtimes', runtimes, 'runtimes and versions pass one suite'),
  ];
  return `<ul class="figures">\n${items.join('\n')}\n</ul>`;
}

function figure(to, number, words) {
  return `<li><SiteLink to="${to}"><strong>${number}</strong> ${words}</SiteLink></li>`;
}
