import { createContext, useContext } from 'react';

/** An error for people: what happened, and what to do. */
export interface Explanation {
  /** In a few words. */
  title: string;
  /** What the server says. Never markup. */
  message: string;
  /** What to do. */
  advice: string;
  /** By which the server's log names the request. */
  requestId: string | null;
}

/** Each application has words of its own for an error: operators know the API, customers do not. */
const Explaining = createContext<(error: unknown) => Explanation>(() => {
  throw new Error('There is no DesignProvider');
});

export const ExplanationProvider = Explaining.Provider;

export const useExplain = () => useContext(Explaining);
