// Jest runs CommonJS, and thingspace-auth has ES modules only: let Babel transform it like your own code.
//   npm install --save-dev jest babel-jest @babel/preset-env
export default {
  transform: {
    '\\.[jt]sx?$': ['babel-jest', { presets: [['@babel/preset-env', { targets: { node: 'current' } }]] }],
  },
  transformIgnorePatterns: ['/node_modules/(?!thingspace-auth/)'],
  // For code of a page: jsdom has no fetch, jest-fixed-jsdom gives it that of Node.
  // testEnvironment: 'jest-fixed-jsdom',
};
