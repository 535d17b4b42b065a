import { describe, expect, it } from 'vitest';
import builtIn from '../../catalogue.json' with { type: 'json' };
import { parseCatalogue } from '../../src/catalogue/catalogue.js';
import { changesOf } from '../../src/catalogue/catalogueChanges.js';
import { publicNameOf } from '../../src/catalogue/displayNames.js';
import { createTiers } from '../../src/services/tiers/tiers.js';

type Written = Record<string, unknown>;
const [FREE, PRO, ENTERPRISE] = builtIn.tiers as unknown as [Written, Written, Written];
const TEAM = { name: 'TEAM', extends: 'PRO', monthlyPriceCents: 9_900 };

const fileOf = (tiers: object[], changes: object = {}) => ({ ...builtIn, tiers, ...changes });
const whole = parseCatalogue(fileOf([FREE, PRO, TEAM, ENTERPRISE]));
const changesTo = (tiers: object[], changes: object = {}) =>
  changesOf(whole, parseCatalogue(fileOf(tiers, changes)));
const textsTo = (tiers: object[], changes: object = {}) => changesTo(tiers, changes).map(({ text }) => text);
const errorsIn = (tiers: object[]): string => {
  try {
    parseCatalogue(fileOf(tiers));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

describe('the changes of a catalogue', () => {
  it('are none between equal ones, in whatever order a file lists its keys', () => {
    const turned = Object.fromEntries(Object.entries(TEAM).reverse());
    expect(changesTo([FREE, PRO, turned, ENTERPRISE])).toEqual([]);
  });

  it('tell what is only shown from what is taken away, and whom each concerns', () => {
    const limits = { ...(PRO.limits as object), apiCallsPerDay: 5, maxMemories: null };
    expect(changesTo([FREE, { ...PRO, limits, features: ['SEMANTIC_SEARCH'] }, TEAM, ENTERPRISE])).toEqual(
      expect.arrayContaining([
        {
          text: 'PRO, version 1: apiCallsPerDay is 5 instead of 10000',
          tier: 'PRO',
          version: 1,
          takes: true,
        },
        {
          text: 'PRO, version 1: maxMemories is unlimited instead of 100000',
          tier: 'PRO',
          version: 1,
          takes: false,
        },
        { text: 'PRO, version 1: FEDERATION is taken away', tier: 'PRO', version: 1, takes: true },
      ]),
    );
    expect(textsTo([FREE, PRO, { ...TEAM, description: 'For teams.', hidden: true }, ENTERPRISE])).toEqual([
      'The description of TEAM is For teams. instead of none',
      'TEAM is hidden',
    ]);
  });

  it('have renamed, retired, removed, new and reordered tiers', () => {
    const crew = { ...TEAM, name: 'CREW', renamedFrom: 'TEAM' };
    expect(textsTo([FREE, PRO, crew, ENTERPRISE])).toEqual([
      'TEAM is called CREW',
      'The display name of CREW is Crew instead of Team',
    ]);
    expect(textsTo([FREE, PRO, { ...TEAM, retired: true, successor: 'PRO' }, ENTERPRISE])).toEqual([
      'TEAM is no longer sold',
      'Subscriptions to TEAM move to PRO by `npx continuum-billing catalogue apply`',
    ]);
    const plus = { ...TEAM, name: 'PLUS' };
    expect(changesTo([FREE, ENTERPRISE, PRO, plus])).toEqual([
      { text: 'The tiers are in another order', tier: null, version: null, takes: false },
      { text: 'TEAM is removed', tier: 'TEAM', version: null, takes: true },
      { text: 'PLUS is new', tier: null, version: null, takes: false },
    ]);
  });

  it('have prices for new buyers, overage, and versions that are kept or lost', () => {
    const { name: _, ...terms } = PRO;
    const { monthlyPriceCents, features, limits } = terms as typeof terms & Written;
    const former = [{ version: 1, monthlyPriceCents, features, limits }];
    const next = { ...PRO, version: 2, monthlyPriceCents: 3_900, overage: null };
    expect(textsTo([FREE, { ...next, former }, { ...TEAM, overage: PRO.overage }, ENTERPRISE])).toEqual([
      'PRO: the price for new buyers, MONTHLY is {"usd":3900} instead of {"usd":2900}',
      'PRO: the price of overage, for everybody, is none instead of {"priceCents":10,"perCalls":1000}',
      'PRO: new buyers get version 2',
    ]);
    const lost = changesTo([FREE, next, { ...TEAM, overage: PRO.overage }, ENTERPRISE]);
    expect(lost.at(-1)).toEqual({
      text: 'PRO: version 1 is removed',
      tier: 'PRO',
      version: 1,
      takes: true,
    });
  });
});

describe('a tier with several names', () => {
  const crew = { ...TEAM, name: 'CREW', renamedFrom: ['TEAM', 'GROUP'] };
  const catalogue = parseCatalogue(
    fileOf([FREE, PRO, { ...crew, retired: true, successor: 'PRO' }, { ...ENTERPRISE, extends: 'CREW' }], {
      displayNames: { CREW: 'The crew' },
    }),
  );
  const tiers = createTiers(catalogue, {}, {});

  it('is stored under the first, called by the last, and found by all of them', () => {
    expect(catalogue.tiers.map(({ name }) => name)).toEqual(['FREE', 'PRO', 'TEAM', 'ENTERPRISE']);
    expect(publicNameOf(catalogue, 'TEAM')).toBe('CREW');
    expect(['TEAM', 'group', 'Crew', 'NOPE'].map(tiers.storedNameOf)).toEqual(['TEAM', 'TEAM', 'TEAM', null]);
    expect(catalogue.displayNames).toEqual({ TEAM: 'The crew' });
  });

  it('is listed only for who has it once it is retired', () => {
    expect(tiers.listed().map(({ name }) => name)).toEqual(['FREE', 'PRO', 'ENTERPRISE']);
    expect(tiers.listed('TEAM')).toHaveLength(4);
  });
});

describe('a file with wrong names', () => {
  it.each([
    ['a former name that another tier has', { renamedFrom: 'PRO' }, 'tiers.2.renamedFrom: PRO is or was'],
    ['a successor of a tier that is sold', { successor: 'PRO' }, 'only for a tier that is retired'],
    ['a successor that is not there', { retired: true, successor: 'NOPE' }, 'no tier of this catalogue'],
    ['itself as successor', { retired: true, successor: 'TEAM' }, 'names TEAM, which is retired'],
    ['a successor by contract', { retired: true, successor: 'ENTERPRISE' }, 'neither sold by checkout nor'],
    ['a lower-case former name', { renamedFrom: 'team' }, 'tiers.2.renamedFrom'],
    ['a description of 501 characters', { description: 'x'.repeat(501) }, 'tiers.2.description'],
  ])('has an error for %s', (_what, changes, error) => {
    expect(errorsIn([FREE, PRO, { ...TEAM, ...changes }, ENTERPRISE])).toContain(error);
  });

  it('has an error for a default tier that is retired', () => {
    expect(errorsIn([{ ...FREE, retired: true }, PRO, ENTERPRISE])).toContain('is the default tier');
  });
});
