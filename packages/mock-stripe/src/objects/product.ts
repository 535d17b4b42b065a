import type { Kind } from '../storage/store.js';
import type { ProductBody } from '../wire.js';

export const products: Kind<ProductBody> = {
  object: 'product',
  prefix: 'prod',
  refs: ({ active }) => ({ active }),
};

export function buildProduct(id: string, name: string, nowS: number): ProductBody {
  return {
    id,
    object: 'product',
    active: true,
    created: nowS,
    default_price: null,
    description: null,
    images: [],
    livemode: false,
    marketing_features: [],
    metadata: {},
    name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    tax_details: null,
    type: 'service',
    unit_label: null,
    updated: nowS,
    url: null,
  };
}
