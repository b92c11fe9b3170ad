// The recipes: the list of examples/README.md, and a page for each file that it links.
import { isBuiltin } from 'node:module';
import { basename, extname, posix } from 'node:path';
import { capitalize, describe, plainText, splitAt } from './markdown.mjs';

const LIST = 'examples/README.md';
const FILE_LINK = /\[[^\]]+\]\(((?!\.\.|https?:)[\w./-]+\.(?:ts|js|mjs|md))\)/g;

/** `read` gives a file's text. What a scenario of the playground shows stands beside the recipe. */
export function recipePages(read, scenarios) {
  const { sections } = splitAt(1, read(LIST));
  const [{ title, text }] = sections;
  const recipes = splitAt(2, text).sections.flatMap(({ title: group, text: list }) =>
    itemsOf(list).flatMap((item) => recipesOf(item, group, read)),
  );
  if (recipes.length < 20) throw new Error(`${LIST} links ${recipes.length} files, too few for the recipes`);
  for (const path of Object.keys(scenarios))
    if (!recipes.some(({ from }) => from === path)) throw new Error(`${LIST} does not link ${path}`);
  const list = {
    path: '/recipes/',
    section: 'recipes',
    from: LIST,
    title,
    description: describe(text),
    body: text,
  };
  return [list, ...recipes.map((recipe) => withScenario(recipe, scenarios[recipe.from]))];
}

function itemsOf(list) {
  return list.split(/^(?=- )/m).filter((item) => item.startsWith('- '));
}

/** An item's links, each with the words that follow it. */
function recipesOf(item, group, read) {
  const links = [...item.matchAll(FILE_LINK)];
  return links.map(({ 0: link, 1: target, index }, which) => {
    const words = item.slice(index + link.length, links[which + 1]?.index);
    const from = posix.join('examples', target);
    const recipe = { from, group, item, link, words, text: read(from) };
    return extname(target) === '.md' ? pageOfText(recipe) : pageOfProgram(recipe);
  });
}

function pageOfText({ from, group, text }) {
  const [{ title, text: body }] = splitAt(1, text).sections;
  // A text is named after its folder, or by its own name.
  const name = basename(from) === 'README.md' ? basename(posix.dirname(from)) : basename(from, '.md');
  const path = `/recipes/${name}`;
  return { path, section: 'recipes', from, group, title, description: describe(body), body };
}

function pageOfProgram({ from, group, item, link, words, text }) {
  const comment = leadingComment(text) || plainText(item);
  const description = describe(firstParagraph(comment));
  const title = boldWords(words, text) ?? (firstClause(leadingComment(text)) || titleInItem(item, link));
  const language = extname(from).slice(1).replace('mjs', 'js');
  const code = `::: code-group\n\n\`\`\`${language} [${basename(from)}]\n${text.trimEnd()}\n\`\`\`\n\n:::`;
  const body = [firstParagraph(comment), installation(comment, text), code].filter(Boolean).join('\n\n');
  const path = `/recipes/${from
    .replace(/^examples\//, '')
    .replace(/\.(?:test\.)?\w+$/, '')
    .replaceAll('/', '-')}`;
  return { path, section: 'recipes', from, group, title, description, body };
}

/** The first comment's words, without its code. */
function leadingComment(text) {
  const [lines = '', block] = /^(?:\/\*\*?([^]*?)\*\/|(?:\/\/.*\n)+)/.exec(text) ?? [];
  return (block ?? lines).replace(/^ *(?:\/\/|\*) ?/gm, '').trim();
}

/** Up to an empty line, or a command that stands further in. */
function firstParagraph(comment) {
  return comment.split(/\n(?=\s*\n| {2})/)[0].replaceAll('<', '&lt;');
}

/** "the **M2M session**" → "M2M session". A library that is imported keeps its own spelling, as does gRPC. */
function boldWords(words, text) {
  const [, before, bold] = /^[^\w*]*([^*.]*)\*\*(.+?)\*\*/s.exec(words) ?? [];
  if (!bold) return undefined;
  const phrase = plainText(before + bold).replace(/^(?:an?|the) /i, '');
  return text.includes(`from '${phrase}'`) || /^[a-z]+[A-Z]/.test(phrase) ? phrase : capitalize(phrase);
}

function firstClause(comment) {
  return plainText(comment.split(/[,;:(]|\.\s/)[0]).replace(/\.$/, '');
}

/** "**Jest**: … [a test](…)" → "Jest: a test" */
function titleInItem(item, link) {
  return [item.match(/\*\*.+?\*\*/)?.[0], link].filter(Boolean).map(plainText).join(': ');
}

/** The command that the comment gives, or one for what the program imports, if that is anything. */
function installation(comment, text) {
  const given = comment.match(/^ *(?:npm install|bun add|deno add) .*$/gm);
  const packages = [...text.matchAll(/^(?:import|export) (?!type ).*?from '([^.'][^']*)'/gms)]
    .map(([, name]) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
    .filter((name) => !isBuiltin(name) && !name.includes(':'));
  if (!given && !packages.length) return undefined;
  const commands = given?.map((line) => line.trim()) ?? [`npm install ${[...new Set(packages)].join(' ')}`];
  return `\`\`\`sh\n${commands.join('\n')}\n\`\`\``;
}

function withScenario(recipe, scenario) {
  if (!scenario) return recipe;
  return { ...recipe, body: `${recipe.body}\n\n<Playground scenario="${scenario}" />` };
}
