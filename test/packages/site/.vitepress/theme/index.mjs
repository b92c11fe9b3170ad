// VitePress' own theme, with our colours, and the few components that pages use.
import { useData, withBase } from 'vitepress';
import DefaultTheme from 'vitepress/theme';
import { defineComponent, h } from 'vue';
import './style.css';

/** A link where Markdown has none: inside code and on the start page. */
const SiteLink = defineComponent({
  props: { to: { type: String, required: true } },
  setup({ to }, { slots }) {
    const [path, anchor] = to.split('#');
    const file = path.endsWith('/') ? path : `${path}.html`;
    return () => h('a', { href: withBase(anchor ? `${file}#${anchor}` : file) }, slots.default?.());
  },
});

const SiteImage = defineComponent({
  props: { src: { type: String, required: true }, alt: { type: String, required: true } },
  setup:
    ({ src, alt }) =>
    () =>
      h('img', { src: withBase(src), alt, loading: 'lazy' }),
});

/** The playground in a frame, in the page's colours; with a scenario only what belongs to it. */
const Playground = defineComponent({
  props: { scenario: { type: String, default: '' } },
  setup({ scenario }) {
    const { isDark } = useData();
    const query = scenario ? `?scenario=${scenario}` : '';
    return () =>
      h('iframe', {
        class: scenario ? 'playground scenario' : 'playground',
        src: withBase(`/widget/playground.html${query}`),
        title: scenario ? `What happens: ${scenario}` : 'Playground',
        loading: scenario ? 'lazy' : 'eager',
        style: { colorScheme: isDark.value ? 'dark' : 'light' },
      });
  },
});

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component('SiteLink', SiteLink);
    app.component('SiteImage', SiteImage);
    app.component('Playground', Playground);
  },
};
