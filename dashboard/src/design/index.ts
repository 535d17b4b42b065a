/** The design system. Pages use these components and no styles of their own; see dashboard/README.md. */
export { type AttentionItem, Attentions } from './Attentions.js';
export { Badge, Status, type Tone } from './Badge.js';
export { Button, ButtonAnchor, ButtonLink, type ButtonProps, IconButton, TextButton } from './Button.js';
export { Callout, EmptyState, ErrorState } from './Callout.js';
export { Card, Grid, KeyValue, Row, Split, Stack, Stat, Stats } from './Card.js';
export { Changes } from './Changes.js';
export { Chart } from './Chart.js';
export { Checkbox } from './Checkbox.js';
export { CodeBlock, CopyButton, Id, JsonView, SecretOnce } from './Code.js';
export { Combobox, type ComboboxOption } from './Combobox.js';
export { ConnectionTable } from './ConnectionTable.js';
export { toCsv } from './csv.js';
export { cx } from './cx.js';
export { type CellValue, type Column, DataTable, type DataTableProps, useSorting } from './DataTable.js';
export { DesignProvider } from './DesignProvider.js';
export { ConfirmDialog, type ConfirmDialogProps, Dialog, FormDialog } from './Dialog.js';
export { downloadCsv } from './download.js';
export {
  FieldGroup,
  InstantField,
  instantText,
  NumberField,
  parseInstant,
  parseMoney,
  parseWhole,
  Textarea,
  TextField,
} from './Field.js';
export * from './format.js';
export { isWebAddress, Link, LinkOut } from './Link.js';
export { Menu, type MenuItem } from './Menu.js';
export { PageHeader, setProductName } from './PageHeader.js';
export { Pagination } from './Pagination.js';
export { PriceCard, type PriceCardProps, PriceCards } from './PriceCard.js';
export { ProgressBar } from './ProgressBar.js';
export { Segments } from './Segments.js';
export { Select, type SelectOption } from './Select.js';
export { Skeleton, SkeletonText } from './Skeleton.js';
export type { ChartProps, Series } from './series.js';
export { type TabItem, Tabs } from './Tabs.js';
export { ThemeSwitch } from './ThemeSwitch.js';
export { Time } from './Time.js';
export { Timeline, TimelineGroup, TimelineItem } from './Timeline.js';
export { FilterBar, type FilterField, SearchField } from './Toolbar.js';
export { Tooltip } from './Tooltip.js';
export { setTheme, startTheme, type Theme, useTheme } from './theme.js';
export { toast } from './toastQueue.js';
export { UsageBar } from './UsageBar.js';
export { type Filters, useFilters } from './useFilters.js';
export { useLast } from './useLast.js';
export { VisuallyHidden } from './VisuallyHidden.js';
export { WithNote } from './WithNote.js';
