import { PageHeader } from '../../design/index.js';
import { AuditLog } from '../parts/AuditLog.js';

export default function AuditLogPage() {
  return (
    <>
      <PageHeader
        title="Audit log"
        description="Every change of money, keys, limits, access and tenants, with who made it. Entries are linked by hashes and never change."
      />
      <AuditLog />
    </>
  );
}
