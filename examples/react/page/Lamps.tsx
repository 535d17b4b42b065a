import { gql, type TypedDocumentNode } from '@apollo/client';
import { useMutation, useQuery } from '@apollo/client/react';

interface Lamp {
  id: string;
  colour: string;
}

const LAMPS: TypedDocumentNode<{ lamps: Lamp[] }> = gql`
  query Lamps {
    lamps {
      id
      colour
    }
  }
`;
const ORDER: TypedDocumentNode<{ orderLamp: Lamp | null }, { colour: string }> = gql`
  mutation OrderLamp($colour: String!) {
    orderLamp(colour: $colour) {
      id
      colour
    }
  }
`;

export function Lamps() {
  const { data } = useQuery(LAMPS);
  const [order, { loading }] = useMutation(ORDER, { refetchQueries: [LAMPS] });
  const colour = `hsl(${((data?.lamps.length ?? 0) * 47) % 360} 80% 55%)`;
  return (
    <section aria-labelledby="lamps">
      <h2 id="lamps">Your lamps: {data?.lamps.length ?? 0}</h2>
      <div className="lamps">
        {data?.lamps.map((lamp) => (
          <span key={lamp.id} className="lamp" style={{ background: lamp.colour }} />
        ))}
      </div>
      {/* What was rejected is the link's to say. */}
      <button
        type="button"
        disabled={loading}
        onClick={() => order({ variables: { colour } }).catch(() => null)}
      >
        Order a lamp
      </button>
    </section>
  );
}
