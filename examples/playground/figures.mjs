// The pictures that show states and choices, as boxes and ways between them. That they say what the code
// does is tested beside them (test/workshop/playground/picture.test.mjs).

const LINE = 17;

/** What a session does after a login, and what leads on from there. */
export function sessionPicture(tools) {
  const { box, way, drawn } = toolsFor(tools);
  const words =
    'A call logs in. Accepted: all processes share the session. Refused: no login until reset() or another password. No clear answer twice: one login every five minutes, or none.';
  return [
    words,
    424,
    drawn(486, [
      box(120, 0, 184, 'No session', ['a call needs one']),
      way([
        [212, 44],
        [212, 82],
      ]),
      box(96, 88, 232, 'A login is sent', ['counted in the store first;', 'other processes wait for it']),
      way(
        [
          [130, 149],
          [80, 206],
        ],
        '2xx',
        88,
        182,
      ),
      way(
        [
          [212, 149],
          [212, 206],
        ],
        'time-out, 5xx …',
        212,
        182,
      ),
      way(
        [
          [294, 149],
          [350, 206],
        ],
        '400, 401, 403',
        348,
        182,
      ),
      box(18, 212, 122, 'Accepted', ['one session', 'for all processes'], 'good'),
      box(148, 212, 132, 'No clear answer', ['the next login', 'waits a little']),
      box(288, 212, 136, 'Refused', ['no login, from', 'any process'], 'bad'),
      way([
        [79, 273],
        [79, 306],
      ]),
      box(18, 312, 122, 'Ended', ['by logout(), or', '20 idle minutes']),
      way(
        [
          [79, 373],
          [79, 470],
          [6, 470],
          [6, 22],
          [114, 22],
        ],
        'the next call',
        79,
        430,
      ),
      way(
        [
          [214, 273],
          [214, 306],
        ],
        'again',
        214,
        294,
      ),
      box(148, 312, 132, 'Twice in a row', ['worked within', '30 days?']),
      way(
        [
          [190, 373],
          [190, 418],
        ],
        'yes',
        190,
        400,
      ),
      box(126, 424, 128, 'Every 5 minutes', ['one login, for', 'the whole fleet'], 'good'),
      way(
        [
          [250, 373],
          [320, 418],
        ],
        'no',
        285,
        400,
      ),
      box(264, 424, 160, 'No login', ['until reset() or', 'another password'], 'bad'),
      way([
        [356, 273],
        [356, 418],
      ]),
    ]),
  ];
}

/** Which import a program needs: questions on the left, answers on the right. */
export function entriesPicture(tools) {
  const { box, way, drawn } = toolsFor(tools);
  const words =
    'Which entry do I need? A server: thingspace-auth. A page: thingspace-auth/browser. More for M2M sessions, stores, keys, DPoP, metadata and tests.';
  const choices = [
    ['Where does', 'it run?', 'thingspace-auth', 'servers, workers, scripts'],
    ['', '', 'thingspace-auth/browser', 'pages, service workers'],
    ['Device or', 'connectivity APIs?', '/session', 'the M2M login'],
    ['Restarts, or', 'several processes?', '/stores', 'keeps tokens, with one of:'],
    ['Who shares', 'the store?', '/stores/file', 'one machine'],
    ['', '', '/stores/redis', 'many machines'],
    ['', '', '/stores/durable-object', 'Cloudflare Workers'],
    ['', '', '/stores/kv', 'Deno.Kv, Workers KV'],
    ['', '', '/stores/web', 'tabs of one site'],
    ['A key instead', 'of a secret?', '/jwt', 'signed assertions'],
    ['Tokens bound', 'to a key?', '/dpop', 'a proof for each call'],
    ['Addresses from', 'the server itself?', '/discover', 'reads its metadata'],
    ['A test of', 'your own code?', '/testing', 'the mock ThingSpace'],
  ];
  const parts = choices.flatMap(([question, more, entry, answer], index) => {
    const y = index * 58;
    const right = box(196, y, 204, entry, [answer], 'good');
    if (!question)
      return [
        way([
          [172, y - 36],
          [172, y + 22],
          [190, y + 22],
        ]),
        right,
      ];
    const next = choices.slice(index + 1).findIndex(([each]) => each) + index + 1;
    const down =
      next > index
        ? [
            way([
              [80, y + (more.length ? 44 : 32)],
              [80, next * 58 - 6],
            ]),
          ]
        : [];
    return [
      ...down,
      box(0, y, 160, question, [more], 'question'),
      way([
        [160, y + 22],
        [190, y + 22],
      ]),
      right,
    ];
  });
  return [words, 400, drawn(choices.length * 58, parts)];
}

function toolsFor({ textOf, shapeOf }) {
  return { box, way, drawn };

  function box(x, y, width, name, lines, tone = '') {
    const height = 27 + lines.length * LINE;
    const middle = { x: x + width / 2, 'text-anchor': 'middle' };
    return [
      shapeOf('rect', { class: `box ${tone}`, x, y, width, height, rx: 8 }),
      textOf({ class: 'name', ...middle, y: y + 19 }, name),
      ...lines.map((line, index) =>
        textOf({ class: 'words', ...middle, y: y + 19 + (index + 1) * LINE }, line),
      ),
    ].join('');
  }

  /** Through these points, with a tip at the last one, and words on it. */
  function way(points, label = '', x = 0, y = 0) {
    const [before, [endX, endY]] = points.slice(-2);
    const angle = (Math.atan2(endY - before[1], endX - before[0]) * 180) / Math.PI;
    const transform = `translate(${endX} ${endY}) rotate(${angle.toFixed(1)})`;
    return [
      shapeOf('path', { class: 'way', d: `M ${points.map((point) => point.join(' ')).join(' L ')}` }),
      shapeOf('path', { class: 'tip', d: 'M 5 0 l -8 -4.5 v 9 z', transform }),
      label && textOf({ class: 'words on-way', x, y, 'text-anchor': 'middle' }, label),
    ].join('');
  }

  function drawn(height, parts) {
    return { height, content: parts.join('\n') };
  }
}
