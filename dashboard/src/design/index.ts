/** The design system. Pages use these components and no styles of their own; see dashboard/README.md. */

export { type AttentionItem, Attentions } from './Attentions.js';
export { type Amount, amountText, parseMoney, parseWhole } from './amounts.js';
export { Badge, Status, type Tone } from './Badge.js';
export { Button, ButtonAnchor, ButtonLink, IconButton, TextButton } from './Button.js';
export { Callout, EmptyState, ErrorState } from './Callout.js';
export { Card, Grid, KeyValue, Row, Split, Stack, Stat, Stats } from './Card.js';
export { Changes } from './Changes.js';
export { Chart } from './Chart.js';
export { Checkbox } from './Checkbox.js';
export { CodeBlock, Id, JsonView, SecretOnce } from './Code.js';
export { Combobox, type ComboboxOption } from './Combobox.js';
export { ConnectionTable } from './ConnectionTable.js';
export { cx } from './cx.js';
export { type Column, DataTable } from './DataTable.js';
export { DesignProvider } from './DesignProvider.js';
export { ConfirmDialog, Dialog, FormDialog } from './Dialog.js';
export type { Explanation } from './explanation.js';
export {
  FieldGroup,
  InstantField,
  instantText,
  NumberField,
  parseInstant,
  Textarea,
  TextField,
} from './Field.js';
export * from './format.js';
export { isWebAddress, Link, LinkOut } from './Link.js';
export { Menu, type MenuItem } from './Menu.js';
export { PageHeader, setProductName, usePageTitle } from './PageHeader.js';
export { Pagination } from './Pagination.js';
export { ProgressBar } from './ProgressBar.js';
export { Segments } from './Segments.js';
export { Select } from './Select.js';
export { Skeleton } from './Skeleton.js';
export { type TabItem, Tabs } from './Tabs.js';
export { ThemeSwitch } from './ThemeSwitch.js';
export { Time } from './Time.js';
export { Timeline, TimelineGroup, TimelineItem } from './Timeline.js';
export { FilterBar } from './Toolbar.js';
export { startTheme } from './theme.js';
export { type ToastOptions, toast } from './toastQueue.js';
export { UsageBar } from './UsageBar.js';
export { useFilters } from './useFilters.js';
export { useLast } from './useLast.js';
export { useUrlParams } from './useUrlParams.js';
export { WithNote } from './WithNote.js';
