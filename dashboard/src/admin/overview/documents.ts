import type { OverviewQuery, RevenueHistoryQuery } from '../../generated/graphql.js';
import { graphql } from '../../generated/index.js';

export const OVERVIEW = graphql(`
  query Overview {
    overview {
      asOf
      countedAt
      revenue {
        currency
        monthlyCents
        payingTenants
        unpricedTenants
        byCurrency {
          currency
          payingTenants
          monthlyCents
          monthlyCents30DaysAgo
        }
        byTier {
          tier
          payingTenants
          monthlyCents
          monthlyCents30DaysAgo
        }
      }
      tenants {
        total
        newToday
        new30Days
        startedPaying30Days
        stoppedPaying30Days
        suspended
        pastDue
        nearLimit
        overLimit
        byTier {
          tier
          tenants
          tenants30DaysAgo
        }
        pastDueTenants {
          pastDueSince
          graceEndsAt
          tenant {
            id
            name
            monthlyRevenue {
              currency
              cents
            }
          }
        }
        overLimitTenants {
          ...TenantAtLimit
        }
        nearLimitTenants {
          ...TenantAtLimit
        }
      }
      calls {
        today
        yesterday
        byHour {
          hour
          today
          yesterday
        }
      }
      rejections {
        today
        yesterday
        byKind {
          kind
          today
          yesterday
        }
      }
      webhookEvents {
        pending
        failed
        oldestPendingAt
        rejectedRequests
      }
      usageReports {
        pending
        pendingQuantity
        failed
        oldestPendingAgeSeconds
      }
      deliveries {
        pending
        failed
        endpointsEnabled
        endpointsPaused
        endpointsDisabled
      }
      health {
        mongodb {
          state
          pingMs
        }
        stripe {
          state
          mode
          lastSuccessAt
          lastFailureAt
          waitingRequests
        }
        redis {
          state
        }
        workers {
          name
          lastRunAt
          everySeconds
          isLate
        }
        instances {
          id
          version
          startedAt
          sameCatalogue
        }
      }
    }
    tiers {
      name
      displayName
    }
  }

  fragment TenantAtLimit on Tenant {
    id
    name
    tier {
      name
      displayName
    }
    today: usage(period: DAY) {
      apiCalls
      limit
    }
    storage {
      bytes
      limits {
        maxStorageBytes
      }
    }
  }
`);

export const REVENUE_HISTORY = graphql(`
  query RevenueHistory($days: Int!) {
    overviewHistory(days: $days) {
      day
      currency
      monthlyRevenueCents
      revenueByTier {
        tier
        monthlyCents
      }
      tenants
      payingTenants
      calls
      rejections
    }
  }
`);

export type Overview = OverviewQuery['overview'];
export type Tiers = OverviewQuery['tiers'];
export type OverviewDay = RevenueHistoryQuery['overviewHistory'][number];
/** The names of tiers for people. */
export type TierNames = ReadonlyMap<string, string>;
