interface Props<T extends string> {
  label: string;
  value: T;
  options: readonly T[];
  onChoice: (value: T) => void;
}

/** A choice of one of a few words, all visible. */
export function Segments<T extends string>({ label, value, options, onChoice }: Props<T>) {
  return (
    <fieldset className="inline-flex rounded-md border border-line bg-ground p-0.5">
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <button
          key={option}
          type="button"
          aria-pressed={option === value}
          onClick={() => onChoice(option)}
          className={`rounded px-2.5 py-1 font-medium text-xs ${
            option === value ? "bg-accent text-on-accent" : "text-muted hover:text-ink"
          }`}
        >
          {option}
        </button>
      ))}
    </fieldset>
  );
}
