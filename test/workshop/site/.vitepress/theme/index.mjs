// VitePress' own theme, with our colours, and the few components that pages use.
import { useData, withBase } from 'vitepress';
import DefaultTheme from 'vitepress/theme';
import { defineComponent, h, onBeforeUnmount, onMounted, ref } from 'vue';
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

/**
 * The playground in a frame, in the page's colours. One scenario stands alone, with a link to the rest. The
 * frame is as tall as what it shows, where its style does not say otherwise.
 */
const Playground = defineComponent({
  props: { scenario: { type: String, default: '' } },
  setup({ scenario }) {
    const { isDark } = useData();
    const frame = ref();
    const heightPx = ref(0);
    let observer;
    // Its document may have been there before the page came to life.
    onMounted(() => frame.value.contentDocument?.readyState === 'complete' && follow());
    onBeforeUnmount(() => observer?.disconnect());

    function follow() {
      const { body } = frame.value.contentDocument;
      observer?.disconnect();
      observer = new ResizeObserver(() => {
        heightPx.value = Math.ceil(body.getBoundingClientRect().height);
      });
      observer.observe(body);
    }

    const widget = () =>
      h('iframe', {
        ref: frame,
        class: 'playground',
        src: withBase(`/widget/playground.html${scenario && `?scenario=${scenario}`}`),
        title: scenario ? `Playground: ${scenario}` : 'Playground',
        loading: scenario ? 'lazy' : 'eager',
        style: {
          colorScheme: isDark.value ? 'dark' : 'light',
          '--height': heightPx.value ? `${heightPx.value}px` : undefined,
        },
        onLoad: follow,
      });
    return () =>
      scenario
        ? h('section', { class: 'scenario', 'aria-label': 'See it happen' }, [
            h('p', [
              h('strong', 'See it happen'),
              ' ',
              h(SiteLink, { to: '/playground' }, () => 'More in the playground'),
            ]),
            widget(),
          ])
        : widget();
  },
});

/** On a phone the playground is a page of its own. */
const OpenAlone = defineComponent({
  setup: () => () =>
    h('p', { class: 'actions open-alone' }, [
      h('a', { class: 'action primary', href: withBase('/widget/playground.html'), target: '_self' }, [
        'Open the playground',
      ]),
    ]),
});

const marks = () =>
  h('p', { class: 'marks' }, 'MIT licence. Not affiliated with Verizon: ThingSpace is their name.');

export default {
  extends: DefaultTheme,
  // Below each page. VitePress' own footer does not show where there is a sidebar.
  Layout: () => h(DefaultTheme.Layout, null, { 'doc-after': marks, 'page-bottom': marks }),
  enhanceApp({ app }) {
    app.component('SiteLink', SiteLink);
    app.component('SiteImage', SiteImage);
    app.component('Playground', Playground);
    app.component('OpenAlone', OpenAlone);
  },
};
