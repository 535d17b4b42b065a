import { graphql } from '../../generated/index.js';

export const TENANTS = graphql(`
  query MockModeTenants($search: String) {
    tenants(first: 20, search: $search) {
      edges {
        node {
          id
          name
          tier {
            name
          }
        }
      }
    }
  }
`);

export const TENANT = graphql(`
  query MockModeTenant($tenantId: ID!) {
    tenant(id: $tenantId) {
      id
      name
      suspendedAt
      tier {
        name
      }
      subscription {
        id
        status
        currentPeriodEnd
        trialEnd
        cancelAt
        graceEndsAt
      }
    }
    webhookEvents(tenantId: $tenantId, first: 100) {
      edges {
        node {
          id
          type
          receivedAt
          status
          reason
          lastError
        }
      }
    }
    auditLog(tenantId: $tenantId, first: 50) {
      edges {
        node {
          id
          at
          actor
          action
          before
          after
        }
      }
    }
    webhookDeliveries(tenantId: $tenantId, first: 50) {
      edges {
        node {
          id
          at
          type
          endpointId
          status
          tries
          responseStatus
          error
        }
      }
    }
    webhookEndpoints {
      id
      url
    }
  }
`);

export const EVENTS = graphql(`
  query MockModeEvents {
    webhookEvents(first: 100) {
      edges {
        node {
          id
          type
          receivedAt
          status
          reason
          lastError
        }
      }
    }
  }
`);

export const TIERS = graphql(`
  query MockModeTiers {
    tiers {
      name
      checkout
      retired
    }
  }
`);

export const CREATE_TENANT = graphql(`
  mutation MockModeCreateTenant($name: String!) {
    createTenant(input: { name: $name }) {
      tenant {
        id
        name
      }
    }
  }
`);

export const START_CHECKOUT = graphql(`
  mutation MockModeStartCheckout($tenantId: ID!, $tier: TierName!, $url: String!) {
    createCheckoutSession(tenantId: $tenantId, input: { tier: $tier, successUrl: $url, cancelUrl: $url }) {
      id
    }
  }
`);
