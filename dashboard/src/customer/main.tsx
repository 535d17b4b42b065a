import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createBrowserRouter } from 'react-router';
import { RouterProvider } from 'react-router/dom';
import '../design/base.css';
import '@continuum-billing/react/styles.css';
import './parts.css';
import { DesignProvider, startTheme } from '../design/index.js';
import { BrandProvider } from './brand.js';
import { explain } from './explain.js';

const router = createBrowserRouter([
  {
    path: '/billing',
    HydrateFallback: () => null,
    lazy: async () => ({ Component: (await import('./billing/index.js')).default }),
  },
  {
    path: '/upgrade',
    HydrateFallback: () => null,
    lazy: async () => ({ Component: (await import('./upgrade/index.js')).default }),
  },
]);

startTheme();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <DesignProvider explain={explain}>
      <BrandProvider>
        <RouterProvider router={router} />
      </BrandProvider>
    </DesignProvider>
  </StrictMode>,
);
