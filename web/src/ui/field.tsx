import { type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId } from "react";

const BOX =
  "w-full rounded-md border border-line bg-ground px-2.5 text-[13px] placeholder:text-muted focus-visible:border-accent-text";

interface LabelledProps {
  id: string;
  label: string;
  children: ReactNode;
  className?: string | undefined;
  isInline?: boolean | undefined;
}

function Labelled(props: LabelledProps) {
  return (
    <div className={`flex min-w-0 flex-col gap-1 ${props.className ?? ""}`}>
      <label htmlFor={props.id} className={props.isInline ? "sr-only" : "font-medium text-muted text-xs"}>
        {props.label}
      </label>
      {props.children}
    </div>
  );
}

interface InputProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: string;
  onText: (text: string) => void;
  isCode?: boolean;
}

export function Input({ label, onText, isCode = false, className, ...rest }: InputProps) {
  const id = useId();
  return (
    <Labelled id={id} label={label} className={className}>
      <input
        id={id}
        className={`${BOX} h-8 ${isCode ? "font-mono" : ""}`}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onText(event.target.value)}
        {...rest}
      />
    </Labelled>
  );
}

interface AreaProps extends Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, "onChange"> {
  label: string;
  onText: (text: string) => void;
}

export function Area({ label, onText, className, ...rest }: AreaProps) {
  const id = useId();
  return (
    <Labelled id={id} label={label} className={className}>
      <textarea
        id={id}
        className={`${BOX} resize-y py-2 font-mono`}
        spellCheck={false}
        onChange={(event) => onText(event.target.value)}
        {...rest}
      />
    </Labelled>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; text: string }[];
  onChoice: (value: T) => void;
  className?: string;
  /** Whether the label is only for screen readers. */
  isInline?: boolean;
}

export function Choice<T extends string>(props: ChoiceProps<T>) {
  const { label, value, options, onChoice, className, isInline } = props;
  const id = useId();
  return (
    <Labelled id={id} label={label} className={className} isInline={isInline}>
      <select
        id={id}
        className={`${BOX} h-8`}
        value={value}
        onChange={(event) => onChoice(event.target.value as T)}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.text}
          </option>
        ))}
      </select>
    </Labelled>
  );
}
