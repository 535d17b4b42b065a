import { useRef, useState } from 'react';
import { Button, ConfirmDialog, Dialog, LinkOut, SecretOnce, Stack, Time } from '../../../design/index.js';
import type { ExportTenantNowMutation } from '../../../generated/graphql.js';
import { graphql } from '../../../generated/index.js';
import { type ActionDialogProps, useChange, useTenantPage } from '../tenantPage.js';

const EXPORT = graphql(`
  mutation ExportTenantNow($tenantId: ID!) {
    exportTenant(tenantId: $tenantId) {
      url
      expiresAt
    }
  }
`);

export function ExportDialog({ onClose }: ActionDialogProps) {
  const { tenantId, tenant } = useTenantPage();
  const exportTenant = useChange(EXPORT, { secret: true });
  const link = useRef<ExportTenantNowMutation['exportTenant']>(null);
  const [made, setMade] = useState<ExportTenantNowMutation['exportTenant']>(null);
  if (made) {
    return (
      <Dialog
        open
        onClose={onClose}
        title={`The export of ${tenant.name}`}
        actions={
          <Button variant="primary" onClick={onClose}>
            Done
          </Button>
        }
      >
        <Stack tight>
          <SecretOnce secret={made.url} what="link">
            Anyone who has it can download the archive. A download must have begun by{' '}
            <Time at={made.expiresAt} />.
          </SecretOnce>
          <LinkOut href={made.url}>Download the archive</LinkOut>
        </Stack>
      </Dialog>
    );
  }
  return (
    <ConfirmDialog
      open
      onClose={() => (link.current ? setMade(link.current) : onClose())}
      title={`Export ${tenant.name}?`}
      confirm="Make a link"
      onConfirm={async () => {
        link.current = (await exportTenant({ tenantId })).exportTenant;
      }}
    >
      <p>
        The archive has everything that is stored of the tenant, personal data included. The link works
        without a key until it ends, and that it was made is in the audit log.
      </p>
    </ConfirmDialog>
  );
}
