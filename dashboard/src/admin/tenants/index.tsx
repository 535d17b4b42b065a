import { useQuery } from '@apollo/client/react';
import { Card, type Column, DataTable, EmptyState, PageHeader, Pagination } from '../../design/index.js';
import type { TenantsQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

const TENANTS = graphql(`
  query Tenants($first: Int, $after: String) {
    tenants(first: $first, after: $after) {
      edges {
        node {
          id
          name
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

type Tenant = TenantsQuery['tenants']['edges'][number]['node'];

const COLUMNS: readonly Column<Tenant>[] = [
  { id: 'name', header: 'Name', value: ({ name }) => name },
  { id: 'id', header: 'Id', value: ({ id }) => id },
];

export default function TenantsPage() {
  const { data, error, refetch, fetchMore } = useQuery(TENANTS, { variables: { first: 50 } });
  const tenants = data?.tenants;
  return (
    <>
      <PageHeader title="Tenants" />
      <Card flush>
        <DataTable
          label="Tenants"
          columns={COLUMNS}
          rows={tenants?.edges.map(({ node }) => node)}
          rowKey={({ id }) => id}
          rowLink={({ id }) => `/tenants/${id}`}
          error={error}
          onRetry={refetch}
          empty={<EmptyState title="No tenants yet">They appear as soon as they are created.</EmptyState>}
          csv
          footer={
            tenants && (
              <Pagination
                shown={tenants.edges.length}
                noun="tenant"
                more={tenants.pageInfo.hasNextPage}
                onMore={() => fetchMore({ variables: { after: tenants.pageInfo.endCursor } })}
              />
            )
          }
        />
      </Card>
    </>
  );
}
