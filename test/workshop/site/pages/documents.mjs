// The texts that are a page each as they stand.
import { describe, splitAt } from './markdown.mjs';

const DOCUMENTS = {
  '/comparison': 'test/workshop/bench/README.md',
  '/runtimes': 'test/packages/runtimes/README.md',
  '/security': '.github/SECURITY.md',
  '/contributing': '.github/CONTRIBUTING.md',
  '/design': '.github/DESIGN.md',
  '/changelog': 'CHANGELOG.md',
};

export function documentPages(read) {
  const pages = Object.entries(DOCUMENTS).map(([path, from]) => {
    const { sections } = splitAt(1, read(from));
    if (sections.length !== 1) throw new Error(`${from} has ${sections.length} titles, it should have one`);
    const [{ title, text }] = sections;
    return { path, section: 'project', from, title, description: describe(text), body: text };
  });
  return [...pages, licencePage(read('LICENSE'))];
}

function licencePage(text) {
  const [title, ...body] = text.trim().split(/\n\s*\n/);
  return {
    path: '/licence',
    section: 'project',
    from: 'LICENSE',
    title,
    description: describe(body.join('\n\n')),
    body: body.join('\n\n'),
  };
}
