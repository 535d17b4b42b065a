import { FieldGroup, formatNumber, NumberField, parseWhole } from '../../../design/index.js';
import type { AllLimitsFragment, TierLimitsInput } from '../../../generated/graphql.js';
import { LIMITS, type LimitKey } from '../words.js';

/** What is typed into the fields. Empty: the tier's own limit applies. */
export interface LimitTexts {
  limits: Readonly<Record<LimitKey, string>>;
  /** By resource. */
  stored: Readonly<Record<string, string>>;
}

type Limits = Partial<Record<LimitKey, number | null>> & {
  stored?: readonly { resource: string; limit: number }[] | null;
};

const MAX_INT = 2_147_483_647;
const BIG: ReadonlySet<LimitKey> = new Set([
  'apiCallsPerDay',
  'maxMemories',
  'maxEmbeddings',
  'maxStorageBytes',
]);

/** @param limits what replaces the tier's own; null: nothing does */
export function limitTexts(own: AllLimitsFragment, limits: Limits | null): LimitTexts {
  const text = (value: number | null | undefined) =>
    value === null || value === undefined ? '' : String(value);
  return {
    limits: Object.fromEntries(LIMITS.map(({ key }) => [key, text(limits?.[key])])) as Record<
      LimitKey,
      string
    >,
    stored: Object.fromEntries(
      own.stored.map(({ resource }) => [
        resource,
        text(limits?.stored?.find((other) => other.resource === resource)?.limit),
      ]),
    ),
  };
}

/** @returns what was changed; null if something is not a limit */
export function changedLimits(before: LimitTexts, after: LimitTexts): TierLimitsInput | null {
  const limits: TierLimitsInput = {};
  for (const { key } of LIMITS) {
    const value = readLimit(key, after.limits[key]);
    if (value === undefined) return null;
    if (value !== readLimit(key, before.limits[key])) limits[key] = value;
  }
  const stored = Object.entries(after.stored).map(([resource, text]) => ({
    resource,
    limit: parseWhole(text),
  }));
  if (stored.some(({ limit }) => limit === undefined)) return null;
  if (Object.keys(after.stored).some((resource) => after.stored[resource] !== before.stored[resource])) {
    const listed = stored.flatMap(({ resource, limit }) =>
      typeof limit === 'number' ? [{ resource, limit }] : [],
    );
    limits.stored = listed.length === 0 ? null : listed;
  }
  return limits;
}

function readLimit(key: LimitKey, text: string): number | null | undefined {
  return parseWhole(text, BIG.has(key) ? {} : { max: MAX_INT });
}

/** A field for each limit of a tier. */
export function LimitFields({
  texts,
  own,
  hint,
  onChange,
}: {
  texts: LimitTexts;
  /** What applies where a field is empty. */
  own: AllLimitsFragment | undefined;
  hint: string;
  onChange(texts: LimitTexts): void;
}) {
  return (
    <FieldGroup label="Limits" hint={hint} columns>
      {LIMITS.map(({ key, label, unit }) => (
        <NumberField
          key={key}
          label={label}
          unit={unit}
          placeholder={own ? formatNumber(own[key]) : undefined}
          value={texts.limits[key]}
          onChange={(value) => onChange({ ...texts, limits: { ...texts.limits, [key]: value } })}
          error={readLimit(key, texts.limits[key]) === undefined && 'A whole number, at least 0'}
        />
      ))}
      {Object.entries(texts.stored).map(([resource, text]) => (
        <NumberField
          key={resource}
          label={resource}
          placeholder={formatNumber(own?.stored.find((other) => other.resource === resource)?.limit)}
          value={text}
          onChange={(value) => onChange({ ...texts, stored: { ...texts.stored, [resource]: value } })}
          error={parseWhole(text) === undefined && 'A whole number, at least 0'}
        />
      ))}
    </FieldGroup>
  );
}
