// The floors of the house, bottom first. A folder imports from floors below it and from nothing else; folders on one
// floor do not know each other. ARCHITECTURE.md says what lives where.
const floors = [
  ['base'],
  ['private'],
  ['document', 'graph', 'ssh', 'secrets', 'certificates'],
  ['resources'],
  ['trials'],
  ['inventory', 'roles'],
  ['plan'],
  ['engine', 'report', 'lab', 'fleet'],
  ['cli'],
];

// Each outside package has one door, so that it can be judged, bounded and replaced in one place.
const doors = {
  yaml: 'document',
  ajv: 'document',
  ssh2: 'ssh',
  'ssh-config': 'ssh',
  'age-encryption': 'secrets',
  '@peculiar/asn1-csr': 'certificates',
  '@peculiar/asn1-schema': 'certificates',
  '@peculiar/asn1-x509': 'certificates',
  handlebars: 'roles',
  'p-queue': 'engine',
  diff: 'engine',
  listr2: 'report',
  picocolors: 'report',
  commander: 'cli',
};

const below = (floor) => floors.slice(0, floor).flat();
const folder = (names) => `^src/(${names.join('|')})/`;

const upwards = floors.flatMap((names, floor) =>
  names.map((name) => ({
    name: `${name}-looks-down`,
    comment: `src/${name} is on floor ${floor}: it knows only ${below(floor).join(', ') || 'itself'}.`,
    severity: 'error',
    from: { path: folder([name]) },
    to: { path: '^src/', pathNot: folder([name, ...below(floor)]) },
  })),
);

const oneDoor = Object.entries(doors).map(([name, door]) => ({
  name: `${name}-has-one-door`,
  comment: `Only src/${door} talks to ${name}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^src/${door}/` },
  to: { path: `^node_modules/${name}/` },
}));

export default {
  forbidden: [
    ...upwards,
    ...oneDoor,
    {
      name: 'no-circles',
      comment: 'Files that need each other cannot be understood one at a time.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'types-are-strangers',
      comment:
        'A step type knows the contract and nothing of the others; only the list of them knows all. Those behind APIs share how to ask, and those on hosts how to write.',
      severity: 'error',
      from: { path: '^src/resources/', pathNot: '^src/resources/index\\.ts$' },
      to: { path: '^src/resources/', pathNot: '^src/resources/(define|openstack|put)\\.ts$' },
    },
    {
      name: 'trials-are-strangers',
      comment: 'A trial knows what others hand on, and nothing of how they come to it.',
      severity: 'error',
      from: { path: '^src/trials/', pathNot: '^src/trials/index\\.ts$' },
      to: { path: '^src/trials/', pathNot: '^src/trials/(define|servers|storage)\\.ts$' },
    },
    {
      name: 'base-does-nothing',
      comment: 'Words that all speak: no input, no output.',
      severity: 'error',
      from: { path: '^src/base/' },
      to: { path: '^(node:)?(fs|net|http|child_process|dgram|tls|readline)', pathNot: '^src/' },
    },
    {
      name: 'tests-stay-outside',
      comment: 'Nothing that ships needs the tests, or a package that is there for development only.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/|^node_modules/(vitest|testcontainers|fast-check)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
