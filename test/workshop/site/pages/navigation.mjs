// Navigation from page to page: the bar on top and the lists at the side.
export function navigationOf(pages) {
  const titles = new Map(pages.map(({ path, title }) => [path, title]));
  const inSection = (name) => pages.filter(({ section }) => section === name);
  const toLink = (path) => ({ text: titles.get(path), link: path });
  const guide = inSection('guide');
  const project = inSection('project').map(({ path }) => toLink(path));
  return {
    nav: [
      { text: 'Guide', link: guide[0].path, activeMatch: '^/guide/' },
      { text: 'Recipes', link: '/recipes/', activeMatch: '^/recipes/' },
      toLink('/options'),
      toLink('/errors'),
      { text: 'Reference', link: '/reference/', activeMatch: '^/reference/' },
      { text: 'Playground', link: '/playground' },
      { text: 'Project', items: project },
    ],
    sidebar: {
      '/recipes/': [{ text: 'All recipes', link: '/recipes/' }, ...grouped(inSection('recipes').slice(1))],
      '/reference/': [
        { text: 'All names', link: '/reference/' },
        ...grouped(inSection('reference').slice(1)),
      ],
      '/': [...grouped(guide), { text: 'Project', items: project }],
    },
  };
}

function grouped(pages) {
  const items = [];
  for (const { title, path, group } of pages) {
    const link = { text: title, link: path };
    const last = items.at(-1);
    if (!group) items.push(link);
    else if (last?.text === group && last.items) last.items.push(link);
    else items.push({ text: group, items: [link] });
  }
  return items;
}
