// VitePress' settings: it makes the site from the pages that build.mjs has written.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { slugOf } from '../pages/markdown.mjs';

const build = fileURLToPath(new URL('../../../../.build/', import.meta.url));
const { name, description, repository, nav, sidebar } = JSON.parse(
  readFileSync(`${build}siteSource/site.json`, 'utf8'),
);

export default {
  title: name,
  description,
  lang: 'en',
  srcDir: `${build}siteSource`,
  outDir: `${build}site`,
  cacheDir: `${build}siteCache`,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // The same page for readers that are programs; build.mjs writes it.
  transformHead: ({ page, siteData: { base } }) =>
    page === '404.md' ? [] : [['link', { rel: 'alternate', type: 'text/markdown', href: base + page }]],
  markdown: {
    anchor: { slugify: slugOf },
    config: (md) => {
      keepTablesInside(md);
      breakUrls(md);
    },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    nav,
    sidebar,
    outline: { label: 'On this page' },
    notFound: {
      title: 'Page not found',
      quote: 'There is no page at this address. The search finds words, options and error codes.',
      linkText: 'To the start page',
      linkLabel: 'To the start page',
    },
    search: {
      provider: 'local',
      options: {
        miniSearch: { options: { tokenize }, searchOptions: { combineWith: 'AND', fuzzy: 0.1 } },
      },
    },
    socialLinks: repository && [{ icon: 'github', link: repository }],
  },
};

/** A wide table scrolls in itself, with the keyboard too. */
function keepTablesInside(md) {
  md.renderer.rules.table_open = () =>
    '<div class="table" tabindex="0" role="group" aria-label="Table"><table>\n';
  md.renderer.rules.table_close = () => '</table></div>\n';
}

/** A URL may go on in the next line after each slash, so that it makes no table too wide. */
function breakUrls(md) {
  const { code_inline: render } = md.renderer.rules;
  md.renderer.rules.code_inline = (tokens, index, ...others) => {
    const html = render(tokens, index, ...others);
    return tokens[index].content.includes('://') ? html.replace(/(?<=[^/:<])\/(?=[^/])/g, '/<wbr>') : html;
  };
}

/**
 * The words of a text, for the search: each as it stands (`oauthClockSkew`, `gateway_fault`), and its parts;
 * without those that every text has. VitePress writes it into the page, so it is complete in itself.
 */
function tokenize(text) {
  const filler = /^(?:an?|and|are|as|at|by|do|does|for|get|how|i|in|is|it|my|of|on|the|to|what|why|with)$/i;
  const words = text.split(/[^\p{L}\p{N}_]+/u).filter((word) => word && !filler.test(word));
  return words.flatMap((word) => {
    const parts = word.split(/_|(?<=[a-z0-9])(?=[A-Z])/).filter(Boolean);
    return parts.length > 1 ? [word, ...parts] : parts;
  });
}
