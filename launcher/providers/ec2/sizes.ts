import type { _InstanceType } from '@aws-sdk/client-ec2';
import type { Architecture, Size } from '../../contract/fields.ts';

export type InstanceType = _InstanceType;

interface SizeClass {
  /** What the class is: its processors and memory, and little more. */
  exact: readonly InstanceType[];
  /** More than was asked for: taken where no machine of the class is to be had. */
  larger: readonly InstanceType[];
}

/** Instance types of each class of machine (contract/fields SIZES). Which of them a region has is asked of AWS. */
const CLASSES: Readonly<Record<Architecture, Readonly<Record<Size, SizeClass>>>> = {
  x86_64: {
    small: {
      exact: ['t3a.small', 't3.small', 'c7a.medium'],
      larger: ['t3a.medium', 't3.medium', 'c7a.large', 'm7a.medium'],
    },
    medium: {
      exact: ['t3a.medium', 't3.medium', 'c7a.large', 'c7i.large', 'c7i-flex.large', 'c6a.large', 'c6i.large'],
      larger: ['t3a.large', 't3.large', 'm7i-flex.large', 'm7a.large', 'm7i.large', 'm6a.large', 'm6i.large'],
    },
    large: {
      exact: ['c7a.xlarge', 'c7i.xlarge', 'c7i-flex.xlarge', 'c6a.xlarge', 'c6i.xlarge'],
      larger: ['t3a.xlarge', 't3.xlarge', 'm7i-flex.xlarge', 'm7a.xlarge', 'm7i.xlarge', 'm6a.xlarge', 'm6i.xlarge'],
    },
    xlarge: {
      exact: ['c7a.2xlarge', 'c7i.2xlarge', 'c7i-flex.2xlarge', 'c6a.2xlarge', 'c6i.2xlarge'],
      larger: ['t3a.2xlarge', 't3.2xlarge', 'm7i-flex.2xlarge', 'm7a.2xlarge', 'm7i.2xlarge', 'm6a.2xlarge', 'm6i.2xlarge'],
    },
  },
  arm64: {
    small: {
      exact: ['t4g.small', 'c8g.medium', 'c7g.medium', 'c6g.medium'],
      larger: ['t4g.medium', 'c8g.large', 'c7g.large', 'm8g.medium', 'm7g.medium'],
    },
    medium: {
      exact: ['t4g.medium', 'c8g.large', 'c7g.large', 'c6g.large'],
      larger: ['t4g.large', 'm8g.large', 'm7g.large', 'm6g.large'],
    },
    large: { exact: ['c8g.xlarge', 'c7g.xlarge', 'c6g.xlarge'], larger: ['t4g.xlarge', 'm8g.xlarge', 'm7g.xlarge', 'm6g.xlarge'] },
    xlarge: { exact: ['c8g.2xlarge', 'c7g.2xlarge', 'c6g.2xlarge'], larger: ['t4g.2xlarge', 'm8g.2xlarge', 'm7g.2xlarge', 'm6g.2xlarge'] },
  },
};

export const classOfSize = (architecture: Architecture, size: Size): SizeClass => CLASSES[architecture][size];

/** Every type that any class has. */
export const allTypes = (architecture: Architecture): InstanceType[] => [
  ...new Set(Object.values(CLASSES[architecture]).flatMap(({ exact, larger }) => [...exact, ...larger])),
];
